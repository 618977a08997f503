/* Who else acts: the leader, administrators, callers. */

#define LIVE(who)         (who != 0 && ALIVE(who - 1))
#define UNVERIFIED(p)     (WORKING && LENGTH(p) != 0 && part[p].verified == 0)
/* It is spoilt, or every live unit wrote some of it and there are two. */
#define TO_BEGIN(p)       (ALL_WRITTEN(p) && part[p].pass < PASSES && ((spoilt & BIT(p)) || nodes > 1 && !(lives & ~(CANNOT_VERIFY(p)))))
#define TO_WRITE(p)       (!ALL_WRITTEN(p) && !LIVE(part[p].owner) && !(part[p].owner && BUG(NOBODY_TAKES_OVER)))
#define MAY_VERIFY(p, who) (LIVE(who) && (!(CANNOT_VERIFY(p) & BIT(who - 1)) || BUG(SELF_VERIFY)))
#define TO_VERIFY(p)      (ALL_WRITTEN(p) && !TO_BEGIN(p) && !MAY_VERIFY(p, part[p].verifier))

inline wish(p, again, writes, checks) {
	m[LEADER].kind = ASSIGN; m[LEADER].ord = ord; m[LEADER].part = p; m[LEADER].begin = again; m[LEADER].lease = part[p].lease;
	m[LEADER].from = writes; m[LEADER].to = checks
}

#define PLAN(p) \
	:: d_step { PLANS && UNVERIFIED(p) && LIVE(x) && (TO_BEGIN(p) || TO_WRITE(p)) -> wish(p, TO_BEGIN(p), x, 0) } \
	:: d_step { PLANS && UNVERIFIED(p) && TO_VERIFY(p) && MAY_VERIFY(p, x) -> wish(p, false, 0, x) }

/* The leader proposes what needs a clock: rewrap.Plan, node.leader.leaveBehind. Here it takes nobody for dead who lives. */
#define x     (_pid - UNITS - SLOTS + 1)     /* the unit that it thinks of */
#define PLANS (CALM && m[LEADER].kind == 0 && QUORUM && !TRACED)
active [UNITS] proctype leader() {
end:	do
#ifdef TRACE
	:: d_step { RECALLED(ASSIGN) && x == 1 && m[LEADER].kind == 0 -> recall(LEADER) }
#else
	PLAN(0)
#if KEYS > PARTITION
	PLAN(1)
#endif
#endif
	:: d_step { CALM && QUORUM && DUE(FENCE, x - 1) && !BUG(NOBODY_IS_FENCED) && (TRACED || !LIVE(x)) && !(fenced & BIT(x - 1)) &&
		(st == ACTIVATING && !(activated & BIT(x - 1)) || st == CANCELLING && !(cleared & BIT(x - 1))) ->
		ok = true; v = x - 1; fence(v); invariants(); NEXT }
	od
}

active proctype administrators() {
end:	do
	:: d_step { CALM && QUORUM && ord < ORDERS && !IS_OPEN && fenced == 0 && DUE(ORDER, 0) -> ok = true; open_order(); invariants(); NEXT }
	:: d_step { CALM && QUORUM && cancels > 0 && CANCELLABLE && DUE(CANCEL, 0) -> cancels--; ok = true; cancel(); invariants(); NEXT }
	:: d_step { CALM && QUORUM && HOLD && st == REWRAPPED && !approved && DUE(APPROVE, 0) -> ok = true; approve(); invariants(); NEXT }
	od
}

/* A caller has a unit make a key under what the state asks for; refused as retriable, it is made again. */
active proctype caller() {
end:	do
	:: d_step { CALM && m[CALLER].kind == 0 && QUORUM && creates > 0 && n < KEYS && !TRACED ->
		creates--; m[CALLER].kind = CREATE; m[CALLER].ord = (pairs -> ord : 0); m[CALLER].key = pat;
		m[CALLER].next = (pairs && !BUG(SINGLE_IN_REWRAP) -> to : 0) }
#ifdef TRACE
	:: d_step { RECALLED(CREATE) && m[CALLER].kind == 0 -> recall(CALLER) }
	:: d_step { !begun -> open_trace() }
#endif
	od
}
