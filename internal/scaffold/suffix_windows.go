package scaffold

const exeSuffix = ".exe"
