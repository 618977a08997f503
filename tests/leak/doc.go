// Package leak searches for keys where none may be. Its test runs a whole demo
// on a build in which the generator of the crypto units returns planted bytes
// and every connection is copied, and then searches what the nodes left on
// disk, what they logged, what went over their connections, inside TLS, and
// their memory, as a core dump would show it: for every master key, every key
// made in a unit, every identity and every importer key, by either half, raw,
// in hex, in base64, in base64 of that, and as a list of numbers.
//
// The demo's administrators replace the master key by key parts too. Their key
// parts, signature keys and passwords are looked for there as well, in the
// folder of their workstation, among temporary files, and in the argument list
// of every process while commands run; the verification patterns of key parts,
// which are for their custodians alone, in whatever the state is kept in.
//
// A search that finds nothing proves nothing by itself. So the same demo runs
// on a build that seals and erases nothing, where each place must show keys.
//
// Not seen: what HTTP/2 headers hold in Huffman coding.
package leak
