// Package ceremony is what commands that act on the instance by signed orders share: an order is drafted of what the cluster
// proposes and this workstation knows (draft.go, fingerprints.go, unit_reports.go), signed here or on other workstations and handed
// in (sign.go, order_file.go), read back with all that units stated under it (order_at_hand.go), followed (watch.go, await.go,
// progress.go), steered (steer.go), and its outcome looked at (outcome.go).
package ceremony
