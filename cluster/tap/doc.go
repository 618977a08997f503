// Package tap keeps, in builds with the tag plantedkeys, a copy of everything
// that goes over a node's connections, and the keys to read it: the leak test
// searches it. In every other build it does nothing and holds nothing.
package tap
