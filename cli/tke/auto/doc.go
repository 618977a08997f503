// Package auto is the commands that do a whole ceremony with a key that recovery units generate: auto-init, auto-mk-rotate and
// auto-recover.
package auto
