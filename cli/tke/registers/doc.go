// Package registers is master key registers: key parts in files and on smart cards, and the commands that load, commit, rotate and clear
// registers, and that look after former master keys.
package registers
