// Package bridge is what the plugins share that hand their work to programs in
// other languages: the manifest of a bundle, and workers, which are processes that
// live from call to call and are spoken to in lines of JSON.
//
// A worker reads one request a line from its standard input and writes frames, one
// a line, to its standard output. Both are ASCII and at most 16 MiB long. Every
// frame repeats the request's id.
//
//	→ {"id":0,"op":"hello","v":1,…}
//	← {"id":0,"ok":true}
//	→ {"id":7,"op":"get_rows","query_details":{"query":…,"source":…,"extra":{…}}}
//	← {"id":7,"keys":["a","b"],"ts":[1764000000000000,null]}      as often as needed
//	← {"id":7,"done":true,"count":2}
//	→ {"id":8,"op":"handle_check","details":{…},"extra":{…}}
//	← {"id":8,"ok":true}
//	→ {"id":9,"op":"identify_old","checker_name":…,"extra":{…}}
//	← {"id":9,"ok":true,"delete_older_than_epoch":1340000000}     or null
//	← {"id":7,"error":{"type":"OperationalError","message":…,"traceback":…,"code":"UNAVAILABLE"}}
//
// A key is a JSON string, or a number. A byte that belongs to no UTF-8 character is
// written \udc80 to \udcff, as Python's surrogateescape does. A time is whole
// microseconds since the epoch as a number, a text as sqlrows.ParseTimestamp reads
// it, or null for a row that is not an event yet. count is the number of rows, those
// with null among them.
//
// A worker has a process group of its own. When a call runs out of time the whole
// group gets SIGINT; a worker that then ends the call with a frame goes on living,
// any other is killed two seconds later, with its group.
package bridge
