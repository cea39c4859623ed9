package main

// writeProbe makes nothing: every server has this database.
const writeProbe = "CREATE DATABASE IF NOT EXISTS system"
