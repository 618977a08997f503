// Package document is an order, or an approval of a step of one, as a file that goes from workstation to workstation until it has
// all its signatures; and what it says, in words.
package document
