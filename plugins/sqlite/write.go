package main

// writeProbe makes a table of the connection's own: nothing stays in the file, should
// anybody let it through.
const writeProbe = "CREATE TEMP TABLE dwmon_write_probe (n)"
