// Package tke puts the commands of Trusted Key Entry together, a folder a noun: administrators, crypto units, signature keys,
// registers, orders, rotations, and the three that do a whole ceremony by themselves.
package tke
