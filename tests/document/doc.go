// Package document runs the commands of a document of docs/, in their order, and looks whether they print what it says. It knows the
// program from outside alone.
package document
