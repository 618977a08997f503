// Package cards holds ceremonies with smart cards, on whole clusters of real processes: administrators whose signature keys and
// key parts are on tokens of SoftHSM2.
package cards
