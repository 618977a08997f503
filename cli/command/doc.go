// Package command is what every command has: flags and the environment variables that stand for them, streams, prompts and
// passwords, what is printed for people and as JSON, progress, failures and exit codes.
package command
