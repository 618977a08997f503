// Package e2e drives whole ceremonies of Trusted Key Entry as people and scripts do, against clusters of real processes: by prompts
// alone on a terminal (ceremony.py), and by transcripts of every command and every refusal (testdata).
package e2e
