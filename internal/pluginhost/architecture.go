package pluginhost

import (
	"debug/elf"
	"fmt"
	"os"
	"runtime"
)

// rightSystem reads the header of a Linux executable. Scripts, and formats that
// are not known here, are left for the kernel to judge.
func rightSystem(path string) error {
	if runtime.GOOS != "linux" {
		return nil
	}
	f, err := elf.Open(path)
	if err != nil {
		return notForLinux(path)
	}
	defer f.Close()
	want, known := map[string]elf.Machine{
		"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64, "386": elf.EM_386, "arm": elf.EM_ARM,
		"riscv64": elf.EM_RISCV, "ppc64le": elf.EM_PPC64, "s390x": elf.EM_S390,
	}[runtime.GOARCH]
	if known && f.Machine != want && !(runtime.GOARCH == "amd64" && f.Machine == elf.EM_386) {
		return fmt.Errorf("%s was built for another processor (%s): build it for %s/%s", path, f.Machine, runtime.GOOS, runtime.GOARCH)
	}
	return nil
}

// notForLinux recognises executables of other systems by their first bytes.
func notForLinux(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	var head [4]byte
	n, _ := f.Read(head[:])
	switch {
	case n == 0:
		return fmt.Errorf("%s is empty", path)
	case string(head[:2]) == "MZ":
		return fmt.Errorf("%s was built for Windows: build it for %s/%s", path, runtime.GOOS, runtime.GOARCH)
	case string(head[:]) == "\xcf\xfa\xed\xfe", string(head[:]) == "\xca\xfe\xba\xbe":
		return fmt.Errorf("%s was built for macOS: build it for %s/%s", path, runtime.GOOS, runtime.GOARCH)
	}
	return nil
}
