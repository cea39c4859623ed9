package main

// writeProbe makes what ends with its transaction.
const writeProbe = "CREATE TABLE #dwmon_write_probe (n int)"
