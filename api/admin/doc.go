// Package admin serves the administration interface, /admin/v1, to the command line.
//
// It promises: nobody is heard without a verified client certificate that names an administrator (SAN URI
// tumbler://client/<name>), and a certificate is never enough for what needs an order: orders and approvals are DER,
// signed by administrators' own keys, checked here against the lists that the state and the units hold before anything
// is proposed, and by every unit again before it obeys. Requests are bounded and decoded strictly; every refusal is one
// JSON object with a code, a message and what to do next; every call leaves one line in the log. It decides nothing
// else: reads are views of the replicated state, changes are commands, and what it needs of the node it declares in
// [Backend].
package admin
