// Package editors tries what docs/editors gives to editors: the TextMate grammar and
// the extension for VS Code. It holds tests only.
package editors
