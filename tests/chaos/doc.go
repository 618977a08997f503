// Command chaos kills, stops and cuts off the nodes of a cluster while clients use it and its master key is rotated without
// a pause, and shows that nothing is lost. It knows the program only from outside: five processes with an address each, their
// command line, and the published client. It runs in namespaces of its own, which end with it; so it needs Linux and root.
//
// A run is rounds. In each some faults happen, chosen by a seed; then all nodes are put right, and everything is checked: each
// key opens and gives what went in, the history of all calls is linearizable, all nodes agree, all registers hold the same
// master key and nothing else, and the receipt of the last rotation verifies. The last line is one JSON object.
package main
