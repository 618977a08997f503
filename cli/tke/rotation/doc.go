// Package rotation is the commands about a rotation that is under way or over: its status, pace, activation, cancel and receipt.
package rotation
