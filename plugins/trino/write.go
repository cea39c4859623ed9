package main

// writeProbe makes nothing: every catalog has this schema.
const writeProbe = "CREATE SCHEMA IF NOT EXISTS information_schema"
