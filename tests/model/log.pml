/* Proposals and their way into the log. */

inline drop(s) {
	m[s].kind = 0; m[s].by = 0; m[s].ord = 0; m[s].key = 0; m[s].next = 0; m[s].part = 0; m[s].pass = 0; m[s].lease = 0;
	m[s].from = 0; m[s].to = 0; m[s].begin = false; m[s].bad = false
}

/* Nobody waits for the proposal in slot s any more, and it is still under way. */
inline delay(s, late) {
	m[late].kind = m[s].kind; m[late].by = m[s].by; m[late].ord = m[s].ord; m[late].key = m[s].key; m[late].next = m[s].next;
	m[late].part = m[s].part; m[late].pass = m[s].pass; m[late].lease = m[s].lease; m[late].from = m[s].from;
	m[late].to = m[s].to; m[late].begin = m[s].begin; m[late].bad = m[s].bad;
	drop(s)
}

/* Proposals of which nothing that is still to come makes more than they are now: they are answered before anything else
 * happens, since any other time would come to the same. With a second order a late one may still do harm, and waits for it. */
#define STALE(s) ( \
	m[s].kind == READY && st != PREPARING || m[s].kind == GENERATED && st != GENERATING || \
	m[s].kind == LOADED && st != LOADING || m[s].kind == COMMITTED && st != COMMITTING || \
	m[s].kind == WRITTEN && (!WORKING || m[s].pass != part[m[s].part].pass || m[s].lease != part[m[s].part].lease || \
		m[s].to < FIRST(m[s].part) + part[m[s].part].cursor) || \
	m[s].kind == VERIFIED && (!WORKING || m[s].pass != part[m[s].part].pass || part[m[s].part].verified != 0) || \
	m[s].kind == ASSIGN && (!WORKING || m[s].lease != part[m[s].part].lease) || \
	m[s].kind == CREATE && m[s].key != pat)
#ifdef TRACE
#define CALM true
#elif ORDERS == 1
#define CALM (!(STALE(0) || STALE(1) || STALE(2) || STALE(3) || STALE(4) || STALE(5)))
#else
#define CALM (!(STALE(0) || STALE(1) || STALE(2) || STALE(3) || STALE(4)))
#endif

/* A leader's memory ends with its term. */
inline forget_findings() {
	spoilt = 0; wrote = 0
}

/* Each proposal's way into the log, in any order, while a quorum of nodes is up. */
#define slot _pid
active [SLOTS] proctype proposal() {
end:	do
	:: d_step { m[slot].kind != 0 && (QUORUM && CALM || !CALM && STALE(slot)) && ENTRY_DUE(slot) -> apply(slot); drop(slot); invariants(); NEXT }
	/* Another leader: who proposed hears nothing of it, and the proposal is lost, or late. */
	:: d_step { CALM && slot < LATE && m[slot].kind != 0 && changes > 0 -> changes--; forget_findings(); drop(slot) }
	:: d_step { CALM && slot < LATE && m[slot].kind != 0 && changes > 0 && m[LATE].kind == 0 -> changes--; forget_findings(); delay(slot, LATE) }
	od
}
