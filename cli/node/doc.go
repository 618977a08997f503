// Package node is the commands that run a node, and that make the certificates it needs.
package node
