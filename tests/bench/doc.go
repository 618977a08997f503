// Command bench measures what a rotation costs, in one run on one machine: the rotation of a cluster of five processes, the
// bare pipeline under it (the same records put through the same transport, log and store, and nothing else), what callers
// feel meanwhile, memory, and a restart. Its last line is one JSON object. Machines are noisy, so quote ratios.
package main
