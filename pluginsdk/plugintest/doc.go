// Package plugintest is the conformance kit: what every plugin of dwmon must do,
// as sixteen cases that are tried on an author's plugin, in process or as a built
// executable. The whole test of a plugin's manners is
//
//	func TestConformance(t *testing.T) {
//		plugintest.Run(t, plugin(), plugintest.Options{Query: "SELECT ..."})
//	}
//
// and [Binary] does the same with a real process. Without a testing.T, [Check]
// runs the cases and reports results.
//
// A case that lacks its means, such as a query that brings many rows, is skipped
// and says so: it is never shown as passed. What a case cannot see, it does not
// promise: whether answers are right is the author's own test.
//
// In process the plugin is configured once and used by all cases, as in a real
// process. Goroutines are counted, so Run belongs into a test that others do not
// run beside. Where the kit needs a panic or a reader that stalls, it brings it
// about within the author's own GetRows, so that what the author holds there
// (connections, locks) is seen to be given back.
package plugintest
