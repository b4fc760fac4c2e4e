/*
 * Joining, marking the dead ("burying"), leaving, and the records of the dead: section 4 of
 * docs/design.md.
 *
 * Every atomic { } or d_step { } below is one load, store or compare-and-swap of shared memory, or one
 * semop, with the local work around it: processes interleave, die and stop between any two of them.
 * There is one client record, which the members take one after the other, and one subscriber record.
 * The watcher and the publisher have client records of their own, which no other process takes.
 * README.md lists the bounds; run.sh the configurations.
 */

#ifndef MEMBERS
#define MEMBERS 2               /* processes that want the client record */
#endif
#ifndef CRASHES
#define CRASHES 1               /* how many processes may be killed, each at any step */
#endif
#ifndef STOPS
#define STOPS   1               /* how many may be stopped for ever, each at any step */
#endif
#ifndef LOOKS
#define LOOKS   1               /* how often the publisher looks without a reason: see Publisher */
#endif
#ifndef BELL
#define BELL    0               /* the value of the bell at the start */
#endif
#define BELL_LIMIT 2            /* a bell that is at least this high is lowered by this much: 16384 */
#ifndef BELL_MAX
#define BELL_MAX   4            /* what the semaphore holds: 32767 */
#endif

#define WATCHER   MEMBERS
#define PUBLISHER (MEMBERS + 1)
#define PROCESSES (MEMBERS + 2)

/* The liveness semaphore. */
#ifdef MUT_LIVE_AT_ONE
#define JOINING 1
#else
#define JOINING 2
#endif
#define JOINED  1

/* The states of the client record. */
#define FREE   0
#define MEMBER 1
#define BURIED 2

byte live;
byte bell = BELL;
byte resets;                    /* how often the bell was lowered */
byte generation, state;         /* of the client record: one word */
byte deaths;                    /* the header's count */

/* The subscriber record. Its owner is 0 (none), a generation of the client record, or the
 * watcher. */
#define BY_WATCHER 99
byte owner;
byte gate_generation;           /* the gate: one word */
bool closed;

/* What the kernel undoes when a process ends. */
byte undo_live[PROCESSES];
bool undo_bell[PROCESSES];

/* What only the model knows. */
#define LIVING  0
#define DEAD    1
#define STOPPED 2
byte fate[PROCESSES];
byte is[PROCESSES];             /* the generation that this process has joined as, 0: none */
byte died;                      /* a bit for each generation whose process was killed while it had joined */
byte buried;                    /* a bit for each generation that was marked dead */
byte closer;                    /* the process that closed the gate last */
bool uncounted[PROCESSES];      /* it has marked a generation dead and not counted that yet */
bool lowering[PROCESSES];       /* it has lowered the bell and not counted that yet */
bool finished[PROCESSES];

#define bit(n)      (1 << (n))
#define has_died(o) (((died >> (o)) & 1) == 1)
#define names(o)    (state == MEMBER && generation == (o))
#define one(x)      ((buried >> (x)) & 1)

/* What a mutation (run.sh) changes has a name here. */
#ifdef MUT_BURY_ANY_GENERATION
#define same_generation(x) true
#else
#define same_generation(x) (generation == (x))
#endif
#ifdef MUT_OPEN_ANY_GENERATION
#define same_gate(g) true
#else
#define same_gate(g) (gate_generation == (g))
#endif
#ifdef MUT_STATE_BEFORE_LIFE
#define still_names(o) true
#else
#define still_names(o) names(o)
#endif
#ifdef MUT_DEATH_COUNTED_BY_ALL
#define counts_death (x > 0)
#else
#define counts_death won
#endif
#ifdef MUT_RESET_NOT_COUNTED
#define count_reset skip
#else
#define count_reset resets++
#endif

/* If the bell is at its maximum, it is lowered once: the next try succeeds. */
inline lower() {
	d_step {
		if
		:: bell >= BELL_LIMIT -> bell = bell - BELL_LIMIT; lowering[me] = true
		:: else
		fi };
	if
	:: d_step { lowering[me] -> count_reset; lowering[me] = false }
	:: else
	fi
}

/* Marks generation x of the client record dead. The process that marks it first counts it. */
inline bury(x) {
	d_step {
		won = false;
		if
		:: x > 0 && state == MEMBER && same_generation(x) ->
			assert(has_died(generation));           /* a living generation is never marked dead, */
			assert(one(generation) == 0);           /* and none twice */
			buried = buried | bit(generation);
			state = BURIED; won = true; uncounted[me] = true
		:: else
		fi };
	if
	:: d_step { counts_death -> deaths++; uncounted[me] = false }
	:: else
	fi
}

/*
 * Sets `lives` to whether owner word o names a living client. `early` says that the liveness
 * semaphore was 1 when this process read the values of all semaphores. `before` has the generations
 * that had died when the process began to look: it never sees one of them alive.
 */
inline looked() { assert(!(lives && dead_before)); dead_before = false; unsure = false }
inline look(o, early, before) {
	d_step {
		dead_before = (o != BY_WATCHER && (((before) >> o) & 1) == 1);
		if
		:: o == 0 -> lives = false
		:: o == BY_WATCHER -> lives = (fate[WATCHER] != DEAD)
		:: else -> lives = names(o); unsure = lives && !early
		fi;
		if :: !unsure -> looked() :: else fi };
	if
	:: atomic { unsure -> lives = (live == JOINED) };
	   atomic { lives = lives && still_names(o); looked() }
	:: else
	fi
}

/* Opens the gate, if it is still that of generation g. */
inline open(g) {
	if
	:: shut && closed && same_gate(g) -> assert(fate[closer] == DEAD || closer == me); closed = false
	:: else
	fi;
	g = 0; shut = false
}

/* Opens the gate, whatever its generation. Only the owner of the record does so. */
inline open_own() {
	atomic { g = gate_generation; shut = closed };
	d_step { open(g) }
}

/*
 * Takes the subscriber record as `mine`, if it is free or its owner, o, is dead, and sets `won`.
 * The gate of a dead owner is opened before that. The gate is read after its owner is known to be
 * dead, and the owner is read again after the gate.
 */
inline take(mine, early, before) {
#ifdef MUT_GATE_READ_BEFORE_OWNER
	atomic { g = gate_generation; shut = closed };
#endif
	atomic { o = owner };
	look(o, early, before);
#if !defined(MUT_OPENED_AFTER_TAKEN)
	if
#ifdef MUT_GATE_READ_BEFORE_OWNER
	:: d_step { !lives && o != 0 -> open(g) }
#else
	:: atomic { !lives && o != 0 -> g = gate_generation; shut = closed };
#ifndef MUT_OWNER_READ_ONCE
	   atomic { shut = shut && owner == o };
#endif
	   d_step { open(g) }
#endif
	:: else
	fi;
#endif
	d_step {
		g = 0; shut = false;
		if
		:: !lives && !(o == 0 && mine == BY_WATCHER) && owner == o -> owner = mine; won = true
		:: else -> won = false
		fi;
		lives = false };
	if
	:: atomic { won && o != 0 -> o = 0; g = gate_generation; shut = closed };
	   d_step { open(g) }
	:: atomic { else -> o = 0 }
	fi
}

/*
 * A process that joins, subscribes, ends the subscription and leaves. With `in`, the first one has
 * joined and subscribed already.
 */
proctype Member(byte me; bool in)
{
	byte x, y, o, g;
	bool lives, won, shut, dead_before, unsure, again, given_up;
	{
		if
		:: in -> goto subscribed
		:: else
		fi;
join:		skip;
		/* {live: wait for zero} {live +2, undo} {bell +1} {bell -1, undo} */
end_join:	do
		:: d_step { live == 0 && bell < BELL_MAX -> live = JOINING; undo_live[me] = JOINING; undo_bell[me] = true; again = false } break
#ifndef MUT_JOINING_AT_BELL_MAXIMUM
		:: live == 0 && bell == BELL_MAX && !again -> lower(); again = true
#endif
		:: atomic { live == 0 && bell == BELL_MAX && again -> assert(false) }
		od;
#ifdef CAREFUL
		/* A client has died in the record since it was free: the process may give the record up and
		 * look again, once, and rings the bell. */
		if
		:: atomic { state != FREE && !given_up -> given_up = true };
		   do
		   :: d_step { bell < BELL_MAX -> live = live - JOINING; undo_live[me] = 0; undo_bell[me] = false; bell++ } goto join
		   :: bell == BELL_MAX -> lower()
		   od
		:: skip
		fi;
#endif
		do
		:: atomic { x = generation; y = state };
		   if
		   :: y == MEMBER -> bury(x)
		   :: else -> break
		   fi
		od;
#ifndef MUT_LIVE_AT_ONE
		/* Only when no earlier client is joined: {live -1, undo} */
		atomic { live = live - (JOINING - JOINED); undo_live[me] = JOINED };
#endif
		atomic {
			assert(generation == x && state == y && live == JOINED);
			generation = x + 1; state = MEMBER; is[me] = x + 1; x = 0; y = 0 };

		take(is[me], false, died);
		if
		:: !won -> goto leaves
		:: d_step { won -> won = false; gate_generation++; assert(!closed); closed = true; closer = me }
		fi;
subscribed:	open_own();
		d_step { assert(owner == is[me]); owner = 0 };

leaves:		skip;
#ifdef MUT_LIFE_BEFORE_STATE
		d_step { live = live - JOINED; undo_live[me] = 0; undo_bell[me] = false };
#endif
		d_step { assert(names(is[me])); state = FREE; is[me] = 0 };
#ifndef MUT_LIFE_BEFORE_STATE
		/* {live -1, undo} {bell +1, undo} {bell -1} */
		again = false;
		do
		:: d_step { bell < BELL_MAX -> live = live - JOINED; undo_live[me] = 0; undo_bell[me] = false; again = false } break
#ifndef MUT_LEAVING_AT_BELL_MAXIMUM
		:: bell == BELL_MAX && !again -> lower(); again = true
#endif
		:: atomic { bell == BELL_MAX && again -> assert(false) }
		od;
#endif
		atomic { won = false; lives = false; given_up = false; finished[me] = true }
	}
	unless { atomic { fate[me] != LIVING ->
		x = 0; y = 0; o = 0; g = 0; lives = false; won = false; shut = false; dead_before = false; unsure = false; again = false; given_up = false } }
}

/* Listens to the bell, marks clients dead, and clears the record of a dead subscriber. */
proctype Watcher()
{
	byte me = WATCHER;
	byte x, o, g, seen, k, dead_then;
	bool lives, won, shut, dead_before, unsure, lived, cleared;
	{
		do
		:: atomic { seen = resets };
		   atomic { lived = (live == JOINED); dead_then = died; k = bell };       /* the values of all semaphores at once */
		   won = false;
		   if
		   :: !lived ->
			atomic { x = (state == MEMBER -> generation : 0) };
			if
			:: atomic { x > 0 -> x = (live == JOINED -> 0 : x) };
			   bury(x); x = 0
			:: else
			fi
		   :: else
		   fi;
		   if
		   :: won || !cleared ->
			atomic { cleared = true; dead_then = (lived -> dead_then : died) };
			take(BY_WATCHER, lived, dead_then);
			if
			:: d_step { won -> assert(owner == BY_WATCHER); owner = 0 }
			:: else
			fi
		   :: else
		   fi;
		   d_step { lived = false; dead_then = 0; won = false; lives = false };
		   if
		   :: k >= BELL_LIMIT -> lower()
		   :: else ->
end_listens:		atomic { bell > k || resets != seen }
		   fi;
		   d_step { k = 0; seen = 0 }
		od
	}
	unless { atomic { fate[me] != LIVING ->
		x = 0; o = 0; g = 0; seen = 0; k = 0; lives = false; won = false; shut = false; dead_before = false; unsure = false; lived = false; dead_then = 0 } }
}

/*
 * A publisher that needs room. It looks again and again for as long as the gate is closed; here,
 * LOOKS times at any moment, and whenever a look that nothing disturbs would open the gate.
 */
#define in_vain (owner == BY_WATCHER && fate[WATCHER] == DEAD || owner != BY_WATCHER && !(owner > 0 && names(owner) && live == JOINED))
proctype Publisher()
{
	byte me = PUBLISHER;
	byte o, g, looks = LOOKS;
	bool lives, shut, dead_before, unsure;
	{
end_room:	do
		:: atomic { closed && (looks > 0 || in_vain) -> looks = (looks > 0 -> looks - 1 : 0); g = gate_generation };
		   atomic { o = owner };
#ifdef MUT_GATE_READ_AFTER_OWNER
		   atomic { g = gate_generation };
#endif
		   look(o, false, died);
		   d_step { shut = !lives; open(g); o = 0; lives = false }
		od
	}
	unless { atomic { fate[me] != LIVING -> o = 0; g = 0; looks = 0; lives = false; shut = false; dead_before = false; unsure = false } }
}

inline kill(p) {
	d_step {
		crashes > 0 && fate[p] == LIVING && (undo_live[p] > 0 || p == WATCHER) ->
		fate[p] = DEAD; crashes--;
		live = live - undo_live[p]; undo_live[p] = 0;
		bell = (undo_bell[p] && bell < BELL_MAX -> bell + 1 : bell); undo_bell[p] = false;
		died = (is[p] > 0 -> died | bit(is[p]) : died) }
}
#define stop(p) d_step { stops > 0 && fate[p] == LIVING && !finished[p] -> fate[p] = STOPPED; stops-- }

/* Kills (with the kernel's undo) or stops, at any step. */
proctype Fate()
{
	byte crashes = CRASHES, stops = STOPS;
end:	do
	:: kill(0)
	:: kill(1)
#if MEMBERS > 2
	:: kill(2)
#endif
	:: kill(WATCHER)
	:: stop(0)
	:: stop(1)
#if MEMBERS > 2
	:: stop(2)
#endif
	:: stop(WATCHER)
	:: stop(PUBLISHER)
	od
}

/* Runs when no other process can. */
proctype Quiet()
{
	byte p, lost;
	bool deaf;
	timeout -> d_step {
		do
		:: p < PROCESSES ->
			lost = lost + (uncounted[p] -> 1 : 0);
			deaf = deaf || lowering[p];
			/* A member that has not joined and left waits for a client that still has
			 * the record. */
			assert(p >= MEMBERS || fate[p] != LIVING || finished[p] || live > 0);
			p++
		:: else -> break
		od;
		/* No publisher waits at the gate of a dead client. */
		assert(!closed || fate[PUBLISHER] != LIVING || fate[closer] != DEAD);
		/* The watcher has marked the dead, unless a process has lowered the bell and not
		 * counted that. */
		assert(fate[WATCHER] != LIVING || deaf || state != MEMBER || !has_died(generation));
		/* Each death is counted once, unless the process that marked it was killed or
		 * stopped at once. */
		assert(deaths + lost == one(1) + one(2) + one(3));
		assert((buried & died) == buried)
	}
}

init {
	atomic {
		undo_bell[WATCHER] = true;
#ifdef HELD
		/* The first member has a reliable subscription. */
		generation = 1; state = MEMBER; live = JOINED;
		is[0] = 1; undo_live[0] = JOINED; undo_bell[0] = true;
		owner = 1; gate_generation = 1; closed = true; closer = 0;
		run Member(0, true);
#else
		run Member(0, false);
#endif
		run Member(1, false);
#if MEMBERS > 2
		run Member(2, false);
#endif
		run Watcher();
		run Publisher();
		run Fate();
		run Quiet()
	}
}
