// Command demo is the product's main job from outside: it starts a cluster of
// five processes, loads it with keys through the published client, rotates its
// master key, and shows that every key still opens. It knows the program only
// as a user does: by its script, its command line and its key interface.
package main
