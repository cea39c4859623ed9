// Package checkfile reads checker files: the text of a *.dwmon file becomes a
// dwmon.Checker, or every fault in it with its line and column. Loader does so
// for a whole folder, again and again, and reads only what has changed.
//
// A Checker is given out only where its file holds no error; warnings do not
// count. Keeping the last good version of a file that became bad is the
// caller's business.
package checkfile
