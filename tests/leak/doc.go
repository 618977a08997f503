// Package leak searches for keys where none may be. Its test runs a whole demo
// on a build in which the generator of the crypto units returns planted bytes
// and every connection is copied, and then searches what the nodes left on
// disk, what they logged, what went over their connections, inside TLS, and
// their memory, as a core dump would show it: for every master key, every key
// made in a unit, every identity and every importer key, by either half, raw,
// in hex, in base64, in base64 of that, and as a list of numbers.
//
// The demo's administrators replace the master key by key parts too, in files
// and on smart cards. Their key parts, signature keys, passwords and PINs are
// looked for there as well, in the folder of their workstation, among temporary
// files, and in the argument list of every process while commands run; the
// verification patterns of key parts, which are for their custodians alone, in
// whatever the state is kept in. Nodes link no C; the custodians with cards
// (tokens of SoftHSM2) have the program that does, the released one of `make
// cards`. What is in a card is read by another program, to which the card seals
// it as it would to a crypto unit.
//
// A search that finds nothing proves nothing by itself. So the same demo runs
// on a build that seals and erases nothing, where each place must show keys,
// and once more, of cards alone, the places where PINs, parts on cards or their
// master key could be.
//
// Not seen: what HTTP/2 headers hold in Huffman coding.
package leak
