/* A crypto unit and its node. The unit takes a step by the evidence that its node's replica has, and has it in its file before
 * the node proposes what it then says. Evidence only grows while an order is open, so a replica that lags shows in one way
 * alone: the unit still takes a step of an order that is cancelled. What is proposed is applied, or late, or lost. */

#define u          (_pid - SLOTS)
#ifdef TRACE
#define mine       SAYING(u)
#define IDLE       ALIVE(u)
#else
#define mine       m[u]
#define IDLE       (CALM && mine.kind == 0 && ALIVE(u))
#endif
#define me         unit[u]
#define UNSAID(set) (!(set & BIT(u)))
#define ACCEPTED   (me.ord == ord && me.how == OPEN)
#define NOTE(p)    (1 << ((p) * PASSES + part[p].pass - 1))
#define CANNOT_VERIFY(p) ((wrote >> ((p) * UNITS)) & ALL | part[p].writers)

/* What it says now: fsm.SubmitStatement. */
inline say(what, about) {
	mine.kind = what; mine.by = u; mine.ord = ord; mine.key = about
}

/* Unit.Accept: an order once, when the unit is done with all before; and again what was accepted. */
#define ACCEPTS    (UNSAID(ready) && (ACCEPTED && st == PREPARING || \
	me.ord < ord && me.how != OPEN && me.new == 0 && me.cur == was && (st == PREPARING || ENDING)))
inline accept() {
	me.key = (me.ord == ord -> me.key : 0); me.ord = ord; me.how = OPEN; say(READY, was)
}

/* Unit.Generate: drawn once an order, and in the file before it is published. */
#define GENERATES  (u == GENERATOR && ACCEPTED && (st == GENERATING || ENDING && ready == ALL && to == 0 && me.key == 0))
inline generate() {
	if
	:: me.key == 0 || BUG(TWO_PATTERNS) -> me.key = fresh; me.new = fresh; fresh++
	:: else
	fi;
	say(GENERATED, me.key)
}

/* Unit.Load: one master key an order. */
#define LOADS      (u != GENERATOR && UNSAID(loaded) && ACCEPTED && \
	(me.key == to && st == LOADING || me.key == 0 && me.new == 0 && to != 0 && (st == LOADING || ENDING)))
inline load() {
	me.key = to; me.new = to; say(LOADED, to)
}

#define COMMITS    (UNSAID(committed) && ACCEPTED && me.key == to && \
	(st == COMMITTING || ENDING && (loaded | BIT(GENERATOR)) == ALL && !me.fixed))
inline commit() {
	me.fixed = true; say(COMMITTED, to);
#if PLANTED == DROP_OLD_AT_COMMIT
	me.cur = to
#endif
}

/* Unit.Activate: what was committed becomes current; the new register is Empty in the same write. */
#define ACTIVATES  (UNSAID(activated) && (st == ACTIVATING || st == COMPLETE) && me.ord == ord && me.key == to && \
	(me.how == DONE || me.how == OPEN && me.fixed))
inline activate() {
	me.cur = to; me.new = 0; me.fixed = false; me.how = DONE; me.notes = 0; say(ACTIVATED, to)
}

/* Unit.ClearNew: never once activated; a unit that never accepted the order marks its number as used. */
#define CLEARS     (UNSAID(cleared) && ENDING && (me.ord == ord && me.how != DONE || me.ord < ord && me.how != OPEN))
inline clear() {
	me.new = 0; me.fixed = false; me.key = 0; me.ord = ord; me.how = ENDED; me.notes = 0; say(CLEARED, 0)
}

/* rewrap.Runner.write: Unit.BeginPartition, Unit.Rewrap, and a batch from the cursor, of one number here. */
#define WRITES(p)  (st == REWRAPPING && part[p].owner == u + 1 && !ALL_WRITTEN(p) && ACCEPTED && me.fixed)
inline rewrap(p, spoils_it) {
	me.notes = me.notes | NOTE(p);
	say(WRITTEN, me.new);
	mine.part = p; mine.pass = part[p].pass; mine.lease = part[p].lease; mine.bad = spoils_it;
	mine.from = FIRST(p) + part[p].cursor; mine.to = BATCH_TO(p)
}

/* rewrap.Runner.verify: both epochs of a partition that the unit's file does not note; what is wrong is told the leader. */
#define VERIFIES(p) (WORKING && LENGTH(p) != 0 && ALL_WRITTEN(p) && part[p].verified == 0 && part[p].verifier == u + 1 && \
	ACCEPTED && me.fixed && !(spoilt & BIT(p)) && !(CANNOT_VERIFY(p) & BIT(u) && !BUG(SELF_VERIFY)))
inline check(p) {
	if
	:: me.notes & NOTE(p) && !BUG(SELF_VERIFY) -> wrote = wrote | (BIT(u) << (p * UNITS))
	:: else ->
		every = true;
		for (j : FIRST(p) .. FIRST(p) + LENGTH(p) - 1) {
			num[j].seen = num[j].seen | BIT(u);
			every = every && num[j].next == me.new && !num[j].bad
		}
		if
		:: every -> say(VERIFIED, 0); mine.part = p; mine.pass = part[p].pass
		:: else -> spoilt = spoilt | BIT(p)
		fi
	fi
}

inline crash() {
	crashes--; me.up = DOWN; nodes--; lives = lives & ~BIT(u)
}

#define WORK(p) \
	:: d_step { IDLE && WRITES(p) && DUE(REWRAP, u) -> rewrap(p, false); TOOK(u) } \
	:: d_step { IDLE && WRITES(p) && DUE(REWRAP, u) && spoils > 0 -> spoils--; rewrap(p, true); TOOK(u) } \
	:: d_step { IDLE && VERIFIES(p) && DUE(CHECK, u) -> check(p); TOOK(u) }

active [UNITS] proctype node() {
end:	do
	:: d_step { IDLE && ACCEPTS && DUE(ACCEPT, u) -> accept(); invariants(); TOOK(u) }
	:: d_step { IDLE && GENERATES && DUE(GENERATE, u) -> generate(); invariants(); TOOK(u) }
	:: d_step { IDLE && LOADS && DUE(LOAD, u) -> load(); invariants(); TOOK(u) }
	:: d_step { IDLE && COMMITS && DUE(COMMIT, u) -> commit(); invariants(); TOOK(u) }
	:: d_step { IDLE && ACTIVATES && DUE(ACTIVATE, u) -> activate(); invariants(); TOOK(u) }
	:: d_step { IDLE && CLEARS && DUE(CLEAR, u) -> clear(); invariants(); TOOK(u) }
	WORK(0)
#if KEYS > PARTITION
	WORK(1)
#endif

#if PLANTED == CLEAR_RACES_FLIP
	/* A cancel goes straight to a unit, before the state has accepted it. */
	:: d_step { IDLE && CANCELLABLE && ACCEPTED && cancels > 0 -> cancels--; clear(); invariants() }
#endif
#if PLANTED == SAY_BEFORE_DURABLE
	:: d_step { IDLE && LOADS -> say(LOADED, to) }
#endif

	/* A crash at any step: what the node had proposed is lost, or late. */
	:: d_step { CALM && ALIVE(u) && crashes > 0 && DUE(CRASH, u) -> crash(); drop(u); TOOK(u) }
	:: d_step { CALM && ALIVE(u) && crashes > 0 && mine.kind != 0 && m[LATE].kind == 0 && !TRACED -> crash(); delay(u, LATE) }
	:: d_step { CALM && me.up == DOWN && gone > 0 -> gone--; me.up = LOST }
	:: d_step { CALM && me.up == DOWN && DUE(START, u) -> me.up = UP; nodes++; lives = lives | BIT(u); TOOK(u) }
	od
}
