// Package scaffold writes the beginnings of a plugin: sources that build, pass their
// tests and do something real, for an author to change. The templates are part of the
// program, so that none of it needs a network.
//
// A Go plugin is a module of its own. While the SDK is not published it needs the
// SDK's sources (FindSDK), which go.mod then names in a replace. Python and shell
// plugins are bundles: a folder with a manifest, run by a bridge.
package scaffold
