// Package provider is what check handlers share that tell a service over HTTP: one
// client with a time limit, TLS and bounds, which turns every answer into the right
// class of error and keeps secrets out of all texts.
//
// A handler embeds [Settings] in its own, makes a [Client] with [New] in Setup, and
// calls [Client.Do]. The package providertest has what such a handler must stand, as
// a suite.
//
// What became of a request:
//
//	2xx                           taken: an Answer
//	3xx                           ConfigError: redirects are not followed, they would take secrets elsewhere
//	401, 403, 407                 CredentialsError
//	408, 425, 429, 5xx            Retryable, with what Retry-After says
//	any other 4xx                 Permanent
//	a certificate that is wrong   ConfigError
//	no answer                     Retryable
//
// Where a server answered, errors.As finds a *Refusal in the error.
package provider
