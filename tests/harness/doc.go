// Package harness gives tests a Tumbler cluster in one line: real processes of
// the built program, with real TLS on loopback, on free ports and in folders
// of the test. It knows the program only from outside: its binary, its
// configuration file, its interfaces and its command line.
//
// What a test starts ends with it. When a test fails, the end of each node's
// log is printed; a data race that a node's race detector saw fails the test
// that ran it.
package harness
