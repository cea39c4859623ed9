package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestEveryModuleIsListed: whoever adds or updates a dependency runs `make licences`, and
// looks at what it says.
func TestEveryModuleIsListed(t *testing.T) {
	const root = "../.."
	want, err := write(root)
	if err != nil {
		t.Fatal(err)
	}
	have, err := os.ReadFile(filepath.Join(root, page))
	if err != nil {
		t.Fatal(err)
	}
	if string(have) == string(want) {
		return
	}
	t.Errorf("%s is not up to date: run `make licences`, and look at what has changed", page)
	for line := range strings.Lines(string(want)) {
		if !strings.Contains(string(have), line) {
			t.Errorf("it lacks %s", line)
		}
	}
}

func TestLicencesAreKnownByTheirWords(t *testing.T) {
	for text, want := range map[string]string{
		"Permission is hereby granted,\n\tfree of charge, to any person":                                                  "MIT",
		"Apache License\n Version 2.0, January 2004":                                                                      "Apache-2.0",
		"Redistribution and use in source and binary forms … Neither the name of":                                         "BSD-3-Clause",
		"Redistribution and use in source and binary forms, with or without":                                              "BSD-2-Clause",
		"Mozilla Public License, version 2.0":                                                                             "MPL-2.0",
		"GNU AFFERO GENERAL PUBLIC LICENSE Version 3":                                                                     "",
		"Permission to use, copy, modify, and/or distribute this software for any purpose with or without fee is granted": "ISC",
	} {
		if got := identify(text); got != want {
			t.Errorf("%q is taken for %q, want %q", text, got, want)
		}
	}
}
