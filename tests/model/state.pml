/* The replicated state: what each entry of the log does to it, judged by the state alone (package fsm). */

/* The rotation moves on inside the entry that brings the last thing that a step waits for: fsm.advance, by order.Needs. */
inline advance() {
	if
	:: st == PREPARING && ready == ALL -> st = GENERATING
	:: else
	fi;
	if
	:: st == GENERATING && to != 0 -> st = LOADING
	:: else
	fi;
	if
	:: st == LOADING && (loaded | BIT(GENERATOR)) == ALL -> st = COMMITTING
	:: else
	fi;
	if
	:: st == COMMITTING && committed == ALL -> start_rewrap()
	:: else
	fi;
	if
	:: st == REWRAPPING ->
		every = true;
		for (j : 0 .. PARTITIONS - 1) { every = every && ALL_WRITTEN(j) }
		st = (every -> VERIFYING : st)
	:: else
	fi;
	if
	:: st == VERIFYING ->
		every = true;
		for (j : 0 .. PARTITIONS - 1) { every = every && (LENGTH(j) == 0 || part[j].verified != 0 || BUG(FLIP_EARLY)) }
		st = (every -> REWRAPPED : st)
	:: else
	fi;
	if
	:: st == REWRAPPED && (!HOLD || approved) -> flip()
	:: else
	fi;
	if
	:: st == ACTIVATING && ((activated | fenced) == ALL || BUG(COMPLETE_EARLY) && activated != 0) -> complete()
	:: else
	fi;
	if
	:: st == CANCELLING && (cleared | fenced) == ALL -> st = CANCELLED
	:: else
	fi
}

inline open_order() {
	if
	:: !IS_OPEN && fenced == 0 ->
		ord++; st = PREPARING; was = pat; to = 0; ready = 0; loaded = 0; committed = 0; activated = 0; cleared = 0; last = 0
	:: else -> ok = false
	fi
}

inline start_rewrap() {
	st = REWRAPPING; pairs = true; last = n;
	for (j : 0 .. PARTITIONS - 1) { part[j].pass = 1 }
}

/* What the rewrap had of its own: nobody asks for it after the flip or the cancel. */
inline forget_rewrap() {
	for (j : 0 .. PARTITIONS - 1) {
		part[j].cursor = 0; part[j].pass = 0; part[j].lease = 0; part[j].owner = 0; part[j].verifier = 0; part[j].verified = 0;
		part[j].writers = 0
	}
	spoilt = 0; wrote = 0; approved = false
}

/* The flip moves a pointer, and nothing else. */
inline flip() {
	check_flip();
	st = ACTIVATING; pat = to; pairs = false; last = n;
	for (j : 1 .. n) {
		num[j].old = (BUG(DROP_OLD_AT_FLIP) -> 0 : num[j].cur); num[j].cur = num[j].next; num[j].next = 0;
		num[j].by = 0; num[j].seen = 0
	}
	forget_rewrap()
}

inline complete() {
	st = COMPLETE;
	for (j : 1 .. last) { num[j].old = 0 }
}

/* The next epoch goes; the current one was never touched. */
inline cancel() {
	if
	:: CANCELLABLE ->
		st = CANCELLING; pairs = false;
		for (j : (BUG(CANCEL_FORGETS) -> PARTITION + 1 : 1) .. n) {
			num[j].next = 0; num[j].by = 0; num[j].seen = 0; num[j].bad = false
		}
		forget_rewrap();
		advance()
	:: else -> ok = false
	fi
}

inline approve() {
	if
	:: HOLD && CANCELLABLE && to != 0 -> approved = true; advance()
	:: else -> ok = false
	fi
}

inline fence(who) {
	if
	:: fenced & BIT(who)
	:: !(fenced & BIT(who)) && (st == ACTIVATING && !(activated & BIT(who)) || st == CANCELLING && !(cleared & BIT(who))) ->
		fenced = fenced | BIT(who); advance()
	:: else -> ok = false
	fi
}

#define NAMED(s) (m[s].ord == ord)     /* it names the rotation's order */

/* A statement: one that the state has is success, one that it does not wait for is refused (fsm.submitStatement). */
inline said(s, set, waits) {
	if
	:: NAMED(s) && (set & BIT(m[s].by))
	:: (!NAMED(s) || !(set & BIT(m[s].by))) && (waits) -> set = set | BIT(m[s].by)
	:: else -> ok = false
	fi
}

inline generated(s) {
	if
	:: NAMED(s) && to != 0 && to == m[s].key
	:: NAMED(s) && st == GENERATING && m[s].by == GENERATOR && m[s].key != was -> to = m[s].key; advance()
	:: else -> ok = false
	fi
}

inline verify(s) {
	p = m[s].part;
	if
	:: NAMED(s) && WORKING && m[s].pass == part[p].pass && ALL_WRITTEN(p) && (!(part[p].writers & BIT(m[s].by)) || BUG(SELF_VERIFY)) ->
		part[p].verified = (part[p].verified -> part[p].verified : m[s].by + 1);
		advance()
	:: else -> ok = false
	fi
}

/* A batch counts at the cursor alone, in the present pass and under the present lease (fsm.putBatch). */
inline put_batch(s) {
	p = m[s].part;
	if
	:: !NAMED(s) || !WORKING || m[s].pass != part[p].pass || m[s].lease != part[p].lease -> ok = false
	:: else ->
		if
		:: m[s].to < FIRST(p) + part[p].cursor     /* written already */
		:: m[s].from == FIRST(p) + part[p].cursor && m[s].from <= m[s].to && m[s].to < FIRST(p) + LENGTH(p) ->
			for (j : m[s].from .. m[s].to) {
				num[j].next = m[s].key; num[j].bad = m[s].bad; num[j].by = m[s].by + 1; num[j].seen = 0
			}
			part[p].cursor = m[s].to + 1 - FIRST(p);
			part[p].writers = part[p].writers | BIT(part[p].owner - 1);
			advance()
		:: else -> ok = false
		fi
	fi
}

/* The leader's wish: another owner, another verifier, a new beginning (fsm.assignPartitions). */
inline assign(s) {
	p = m[s].part;
	if
	:: NAMED(s) && WORKING && m[s].lease == part[p].lease ->
		if
		:: m[s].begin -> reset()
		:: else
		fi;
		if
		:: m[s].from -> part[p].owner = m[s].from; part[p].lease++
		:: else
		fi;
		if
		:: m[s].to -> part[p].verifier = m[s].to
		:: else
		fi;
		advance()
	:: else -> ok = false
	fi
}

inline reset() {
	for (j : FIRST(p) .. FIRST(p) + LENGTH(p) - 1) { num[j].next = 0; num[j].bad = false; num[j].by = 0; num[j].seen = 0 }
	part[p].pass++; part[p].cursor = 0; part[p].writers = 0; part[p].verifier = 0;
	part[p].verified = (BUG(RESET_KEEPS_VERIFIED) -> part[p].verified : 0);
	spoilt = spoilt & ~BIT(p); wrote = wrote & ~(ALL << (p * UNITS));
	st = REWRAPPING
}

/* From the start of the rewrap to the flip or the cancel a new blob is a pair (fsm.material). */
inline create(s) {
	if
	:: n < KEYS && m[s].ord == (pairs -> ord : 0) && m[s].key == pat && m[s].next == (pairs -> to : 0) ->
		n++; num[n].cur = m[s].key; num[n].next = m[s].next; num[n].seen = (m[s].next -> ALL : 0)
	:: n < KEYS && BUG(SINGLE_IN_REWRAP) && m[s].key == pat && m[s].next == 0 -> n++; num[n].cur = m[s].key
	:: else -> ok = false
	fi
}

/* The entry of the proposal in slot s is applied. */
inline apply(s) {
	ok = true;
	if
	:: m[s].kind == READY -> said(s, ready, NAMED(s) && st == PREPARING); advance()
	:: m[s].kind == GENERATED -> generated(s)
	:: m[s].kind == LOADED ->
		said(s, loaded, st == LOADING && m[s].by != GENERATOR && (NAMED(s) && m[s].key == to || BUG(STALE_LOADED)));
		advance()
	:: m[s].kind == COMMITTED -> said(s, committed, NAMED(s) && st == COMMITTING && m[s].key == to); advance()
	:: m[s].kind == ACTIVATED ->
		said(s, activated, NAMED(s) && (st == ACTIVATING || st == COMPLETE) && m[s].key == to);
		fenced = (ok -> fenced & ~BIT(m[s].by) : fenced);
		advance()
	:: m[s].kind == CLEARED ->
		said(s, cleared, NAMED(s) && ENDING);
		fenced = (ok -> fenced & ~BIT(m[s].by) : fenced);
		advance()
	:: m[s].kind == VERIFIED -> verify(s)
	:: m[s].kind == WRITTEN -> put_batch(s)
	:: m[s].kind == ASSIGN -> assign(s)
	:: m[s].kind == CREATE -> create(s)
	fi
}
