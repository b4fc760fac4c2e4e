/*
 * Sleeping, waking and certified sleep: sections 3 and 4 of docs/design.md.
 *
 * Every atomic { } or d_step { } below is one load, store or compare-and-swap of shared memory, or one
 * semop, with the local work around it: processes interleave, die and stop between any two of them.
 * The exchange ring is abstracted to what exchange.pml proves of it: a log with a head, one
 * compare-and-swap that appends. README.md lists the bounds; run.sh the configurations.
 */

#ifndef SLEEPERS
#define SLEEPERS   1
#endif
#ifndef RECORDS
#define RECORDS    2            /* publisher records */
#endif
#ifndef CRASHES
#define CRASHES    0            /* how many publishers may be killed, each at any step */
#endif
#ifndef STOPS
#define STOPS      0            /* how many may be stopped for ever, each at any step */
#endif
#ifndef STOP_A
#define STOP_A 0                /* the publishers that may be stopped */
#define STOP_B 1
#endif
#ifndef Q0
#define Q0 1
#endif
#ifndef Q1
#define Q1 2
#endif
#ifndef Q2
#define Q2 1
#endif
#ifndef T2
#define T2 1
#endif
#ifndef RUN
#define RUN 1                   /* how many messages a publisher may publish before it wakes for them */
#endif
#ifndef TOPICS_AT_START
#define TOPICS_AT_START 2
#endif
#ifndef SWITCHERS
#define SWITCHERS 1             /* publishers, a bit each, that change once between their first topic and topic SWITCH */
#endif
#ifndef GATES
#define GATES 0                 /* entries of the ring, where all sleepers are reliable; 0: nothing is ever displaced */
#endif
#define PUBLISHERS 3            /* processes that publish; they take one record each */
#define TOPICS     3
#define LONGEST    7            /* more messages than any configuration publishes */

/* Wake word: position:46 generation:16 state:2, one word, so always compared as a whole. */
#define AWAKE    0
#define ASLEEP   1
#define CLAIMED  2
#define NOTIFIED 3
#define NOT_YET  0              /* position of a sleeper that has not had its last look: it is not certified */
#define AT(p)    ((p) + 1)      /* any other position */

typedef Word { byte state; byte generation; byte position }

Word word[SLEEPERS];
byte cursor[SLEEPERS];          /* the next position that this subscriber reads */
byte matched[SLEEPERS];         /* how many topics it has matched against its patterns */
byte semaphore[SLEEPERS];       /* the client's sleep semaphore; 2 stands for "2 or more" */
byte sleepers;                  /* a bit each */
byte interest[TOPICS];          /* a bit per sleeper */
byte topics = TOPICS_AT_START;  /* the length of the topic table */
byte certified;                 /* header word: everything below is dealt with */

byte topic[RECORDS];            /* publisher records: topic, intent (AT(p)), owner */
byte intent[RECORDS];
byte owner[RECORDS];

byte head;                      /* the ring: positions below head are published */
byte bell;

/* What only the model knows. */
byte log_topic[LONGEST];
byte log_publisher[LONGEST];
byte pending[PUBLISHERS];       /* AT(the first that it has published without having gone through the sleepers yet) */
#define LIVING  0
#define DEAD    1
#define STOPPED 2
byte fate[PUBLISHERS];
bool finished[PUBLISHERS];

/* Patterns: sleeper 0 wants topic 0 (and topic 2, the one that is created late); sleeper 1 wants
 * topic 1. */
#define wants(s, t) ((s) == 0 && ((t) == 0 || (t) == 2) || (s) == 1 && (t) == 1)
#define bit(s)      (1 << (s))

/* Gates: a message displaces the one GATES positions before, which no subscriber may still have to
 * read. */
#define certified_to(s, state, position) ((state) != AWAKE && (position) > AT(cursor[s]) -> (position) - 1 : cursor[s])
#define truly_protected(s) certified_to(s, word[s].state, word[s].position)
#if SLEEPERS > 1
#define room (truly_protected(0) + GATES > head && truly_protected(1) + GATES > head)
#else
#define room (truly_protected(0) + GATES > head)
#endif
#if GATES
#define blocked (quota > 0 && unwoken == 0 && p >= limit)
#define may_publish (p < limit)
#define is_held(s) assert(head <= cursor[s] + GATES)
#else
#define blocked false
#define may_publish true
#define is_held(s) skip
#endif
#ifdef MUT_BLOCKED_DOES_NOT_CERTIFY
#define certify_at_gate false
#else
#define certify_at_gate blocked
#endif

/* What a mutation (run.sh) changes has a name here. */
#ifdef MUT_CERTIFY_BEFORE_LAST_LOOK
#define may_certify true
#else
#define may_certify (w.position != NOT_YET)
#endif
#ifdef MUT_CLAIMED_IS_LEFT_ALONE
#define repost false
#elif defined(MUT_CERTIFY_LEAVES_CLAIMED)
#define repost (!certifying || (want & bit(s)))
#else
#define repost true
#endif
#ifdef MUT_NOTIFIED_BEFORE_POST
#define CLAIMED_FIRST NOTIFIED
#else
#define CLAIMED_FIRST CLAIMED
#endif
#ifdef MUT_CLAIM_NOT_RETRIED
#define claim_lost drop()
#else
#define claim_lost step = LOAD
#endif
#ifdef MUT_WAKER_CLEARS_BIT
#define clear_bits sleepers = sleepers & ~interest[mytopic]
#else
#define clear_bits skip
#endif
#ifdef MUT_CERTIFY_SKIPS_DEAD
#define counts(r) (fate[owner[r]] != DEAD)
#else
#define counts(r) true
#endif
#ifndef CERTIFIERS
#define CERTIFIERS 7            /* publishers, a bit each, that may certify, whenever there is something to certify */
#endif
/* It has woken the sleepers for all of its messages below upto. */
#ifdef MUT_CERTIFY_PAST_RUN
#define upto (unwoken > 0 -> p - 1 : p)
#else
#define upto (unwoken > 0 -> first : p)
#endif
#define CERTIFY_WHEN quota + unwoken > 0 && upto > certified && (certify_at_gate || (CERTIFIERS & bit(me)))
#ifdef MUT_CERTIFY_BEFORE_LAST_LOOK
#define falls_asleep_at AT(cursor[me])
#define last_look_done  skip
#else
#define falls_asleep_at NOT_YET
#define last_look_done  word[me].position = AT(cursor[me])
#endif
#ifdef SWITCH
#define OTHER (mytopic == SWITCH -> was : SWITCH)
#else
#define OTHER mytopic
#endif
#define SWITCHES quota > 0 && !switched && (SWITCHERS & bit(me))
#define fall_asleep word[me].generation = (word[me].generation + 1) & 3; word[me].state = ASLEEP; word[me].position = falls_asleep_at
#ifdef MUT_BIT_AFTER_LAST_LOOK
#define before_last_look         skip
#define set_bit_before_last_look skip
#define set_bit_after_last_look  atomic { fall_asleep }; atomic { sleepers = sleepers | bit(me) }
#else
#define before_last_look         fall_asleep
#define set_bit_before_last_look atomic { sleepers = sleepers | bit(me) }
#define set_bit_after_last_look  skip
#endif

#define same_word(s) (word[s].state == w.state && word[s].generation == w.generation && word[s].position == w.position)

inline post(s) { semaphore[s] = (semaphore[s] < 2 -> semaphore[s] + 1 : 2) }

/* The claim of certified sleep, checked at the moment at which the word is moved: from then on the
 * subscriber's gate counts as `to`, so what it has not read below may be gone. */
inline assert_nothing_skipped(s, to) {
	q = cursor[s];
	do
	:: q < to -> assert(!wants(s, log_topic[q])); q++
	:: else -> q = 0; break
	od
}

/*
 * Wakes the sleepers in the mask `left`. Run by certify (certifying, next = n), it moves the words
 * of those outside `want` instead, if these have had their last look and are not claimed.
 */
#define LOAD  0
#define CLAIM 1
#define POST  2
#define MARK  3
#define MOVE  4

inline drop()  { left = left & ~bit(s); s = 0; w.state = 0; w.generation = 0; w.position = 0; step = LOAD }

inline wake() {
	do
	:: atomic { left == 0 -> pending[me] = (certifying -> pending[me] : 0); certifying = false; want = 0; break }
	:: d_step { left != 0 && step == LOAD ->
		s = (left & bit(0) -> 0 : 1);
		w.state = word[s].state; w.generation = word[s].generation; w.position = word[s].position;
		if
		:: w.state == ASLEEP && certifying && !(want & bit(s)) && may_certify ->
			if
			:: w.position >= AT(next) -> drop()
			:: else -> step = MOVE
			fi
		:: w.state == ASLEEP && (!certifying || (want & bit(s)) || !may_certify) -> step = CLAIM
		:: w.state == CLAIMED && repost -> step = POST
		:: w.state == AWAKE || w.state == NOTIFIED || w.state == CLAIMED && !repost -> drop()
		fi }
	:: d_step { step == MOVE ->
		if
		:: same_word(s) -> assert_nothing_skipped(s, next); word[s].position = AT(next); drop()
		:: else -> step = LOAD
		fi }
	:: d_step { step == CLAIM ->
		if
		:: same_word(s) -> word[s].state = CLAIMED_FIRST; w.state = CLAIMED_FIRST; step = POST
		:: else -> claim_lost
		fi }
	:: d_step { step == POST ->
		post(s);
		step = MARK }
	:: d_step { step == MARK ->
		if
		:: same_word(s) -> word[s].state = NOTIFIED
		:: else
		fi;
		drop() }
	od
}


/* Loads the sleepers that topic t wakes into `left`. */
inline who_wants(t) {
	atomic { left = sleepers; clear_bits; left = left & interest[t] }
}

inline certify() {
	atomic { floor = certified; next = upto; r = 0 }
	do
	:: atomic { r == RECORDS -> r = 0; break }
	:: d_step { r < RECORDS && !loaded ->
#ifdef MUT_TOPIC_BEFORE_INTENT
		seen = topic[r];
#else
		seen = intent[r];
#endif
		loaded = true }
	:: d_step { r < RECORDS && loaded ->
		if
#ifdef MUT_TOPIC_BEFORE_INTENT
		:: r != mine && intent[r] >= AT(floor) && counts(r) -> want = want | interest[seen]
#else
		:: r != mine && seen >= AT(floor) && counts(r) -> want = want | interest[topic[r]]
#endif
		:: else
		fi;
		loaded = false; seen = 0;
		r++ }
	od;
#ifdef MUT_POSITION_AFTER_INTENTS
	atomic { next = head; p = head }
#endif
#ifdef MUT_CERTIFIED_BEFORE_SLEEPERS
	atomic { certified = (certified > next -> certified : next) }
#endif
	atomic { left = sleepers; certifying = true };
	wake();
	atomic { certified = (certified > next -> certified : next); next = 0; floor = 0 }
}

/* Open: enter the topic, wake the sleepers that have matched fewer topics than its number. */
inline open(t) {
	atomic { if :: topics == t -> topics++ :: else fi };
#ifndef MUT_OPEN_WAKES_NOBODY
	atomic { left = sleepers };
	atomic {
		if :: (left & bit(0)) && matched[0] > t -> left = left & ~bit(0) :: else fi;
#if SLEEPERS > 1
		if :: (left & bit(1)) && matched[1] > t -> left = left & ~bit(1) :: else fi
#endif
	};
	wake()
#endif
}

/*
 * Process `me` publishes `quota` messages on topic `mytopic`, from record `mine`. With `heir`, it
 * waits until the record's owner has died, and takes the record over.
 */
proctype Publisher(byte me; byte mine; byte mytopic; byte quota; bool heir)
{
	Word w;
	byte s, r, p, q, step, left, want, next, floor, unwoken, first;
	byte seen, was = mytopic;
#if GATES
	byte limit, least;              /* where it looks at the gates again; the lowest position that they protect */
#endif
	bool certifying, loaded, switched, early;
	{
		if
		:: !heir
		:: heir ->
end_heir:		atomic { fate[owner[mine]] == DEAD -> owner[mine] = me };
			/* A record that changes its owner after a death wakes the sleepers of the
			 * old topic first. */
#ifndef MUT_HEIR_WAKES_NOBODY
			who_wants(topic[mine]);
			wake();
#endif
			atomic { topic[mine] = mytopic }
		fi;

		if
		:: mytopic < TOPICS_AT_START
		:: mytopic >= TOPICS_AT_START -> open(mytopic)
		fi;

		atomic { p = head };
		do
		:: atomic { quota + unwoken == 0 -> break }
		:: CERTIFY_WHEN -> certify()
#if GATES
		:: atomic { blocked && p < head -> p = head }
		/* It looks whenever there may be room; each gate takes two loads. */
		:: atomic { blocked && room -> p = head; least = p; s = 0 };
		   do
		   :: atomic { s == SLEEPERS -> limit = least + GATES; least = 0; s = 0; break }
#ifdef GATE_CURSOR_FIRST
		   :: atomic { s < SLEEPERS -> q = cursor[s] };
		      atomic {
			w.state = word[s].state; w.position = word[s].position;
			q = (w.state != AWAKE && w.position > AT(q) -> w.position - 1 : q);
#else
		   :: atomic { s < SLEEPERS -> w.state = word[s].state; w.position = word[s].position };
		      atomic {
#ifdef MUT_GATE_OPEN_IN_SLEEP
			q = (w.state != AWAKE -> p : cursor[s]);
#elif defined(MUT_GATE_OPEN_BEFORE_LAST_LOOK)
			q = (w.state != AWAKE && w.position == NOT_YET -> p : certified_to(s, w.state, w.position));
#else
			q = certified_to(s, w.state, w.position);
#endif
#endif
			least = (q < least -> q : least); q = 0; w.state = 0; w.position = 0; s++ }
		   od
#endif
		:: atomic { quota > 0 && unwoken < RUN && may_publish ->
#ifndef MUT_INTENT_AFTER_EXCHANGE
			intent[mine] = AT(p) };
		   atomic {
#endif
			if
			:: head == p ->
				log_topic[p] = mytopic; log_publisher[p] = me;
				if :: unwoken == 0 -> first = p; pending[me] = AT(p) :: else fi;
				head++; p++; quota--; unwoken++; switched = false
			:: head > p -> p = head; goto lost
			fi };
#ifdef MUT_INTENT_AFTER_EXCHANGE
		   atomic { intent[mine] = p };
#endif
lost:		   skip
#ifdef SWITCH
		/* It changes its topic, after all wake-ups for the one before: the topic first, the
		 * intent with the next message. */
		:: atomic { SWITCHES && unwoken == 0 -> switched = true };
#if SWITCH >= TOPICS_AT_START
		   if
		   :: topics > SWITCH
		   :: topics <= SWITCH -> open(SWITCH)
		   fi;
#endif
		   atomic { mytopic = OTHER; topic[mine] = mytopic }
#endif
#ifdef MUT_SWITCH_EARLY
		:: atomic { SWITCHES && unwoken > 0 -> topic[mine] = OTHER; switched = true; early = true }
#endif
		:: unwoken > 0 ->
		   who_wants(mytopic);
		   wake();
		   atomic { unwoken = 0; if :: early -> mytopic = OTHER; early = false :: else fi }
		od;
		finished[me] = true
	}
#if CRASHES + STOPS > 0
	unless { atomic { fate[me] != LIVING ->
		w.state = 0; w.generation = 0; w.position = 0;
		s = 0; r = 0; p = 0; q = 0; step = 0; left = 0; want = 0; next = 0; floor = 0; quota = 0;
		unwoken = 0; first = 0;
#if GATES
		limit = 0; least = 0;
#endif
		certifying = false; loaded = false; seen = 0; was = 0; switched = false; early = false } }
#endif
}

/* Kills (and rings the bell: the kernel's undo) or stops, at any step. */
proctype Fate()
{
	byte crashes = CRASHES, stops = STOPS;
end:	do
	:: d_step { crashes > 0 && fate[0] == LIVING && !finished[0] -> fate[0] = DEAD; bell++; crashes-- }
	:: d_step { stops > 0 && fate[STOP_A] == LIVING && !finished[STOP_A] -> fate[STOP_A] = STOPPED; stops-- }
	:: d_step { stops > 0 && fate[STOP_B] == LIVING && !finished[STOP_B] -> fate[STOP_B] = STOPPED; stops-- }
	od
}

/* One subscriber, the only one of its process. */
proctype Sleeper(byte me)
{
	byte rung, q, x;                /* rung: the value of the bell that this process has heard */
#if GATES
	byte g;
#endif

awake:	do
	:: atomic { cursor[me] < head -> is_held(me); cursor[me] = cursor[me] + 1 }
	:: atomic { matched[me] < topics ->
		interest[matched[me]] = interest[matched[me]] | (wants(me, matched[me]) -> bit(me) : 0) };
	   atomic { matched[me] = matched[me] + 1 }
	:: atomic { cursor[me] == head && matched[me] == topics -> before_last_look; break }
	od;
	set_bit_before_last_look;
#ifndef MUT_NO_LAST_LOOK
	do
	:: atomic { cursor[me] < head && !wants(me, log_topic[cursor[me]]) -> is_held(me); cursor[me] = cursor[me] + 1 }
	:: atomic { cursor[me] < head && wants(me, log_topic[cursor[me]]) -> goto wake_up }
	:: atomic { cursor[me] == head -> break }
	od;
#ifndef MUT_NO_LOOK_AT_TOPICS
	if
	:: atomic { matched[me] < topics -> goto wake_up }
	:: atomic { matched[me] == topics }
	fi;
#endif
#endif
	set_bit_after_last_look;
	/* Nothing there: certifiers may move the word from here on. Lost: it is claimed. */
	if
	:: atomic { word[me].state == ASLEEP -> last_look_done }
	:: atomic { word[me].state != ASLEEP -> goto wake_up }
	fi;
end_asleep:
	atomic {
		if
		:: semaphore[me] > 0 -> semaphore[me] = semaphore[me] - 1
#ifndef MUT_NO_BELL
		:: bell > rung -> rung = bell           /* the post of this process's watcher */
#endif
		fi };
wake_up:
#if GATES && !defined(GATE_AWAKE_FIRST)
	/* The cursor first: until the word says awake it is the word's position that the gate
	 * protects. */
	do
	:: atomic { x = word[me].position; g = word[me].state };
	   atomic {
		if
		:: x > AT(cursor[me]) ->
			assert_nothing_skipped(me, x - 1);
#ifndef MUT_RESUME_AT_CURSOR
			cursor[me] = x - 1
#endif
		:: else
		fi };
	   atomic {
		if
		:: word[me].position == x && word[me].state == g ->
			word[me].state = AWAKE; word[me].position = NOT_YET; x = 0; g = 0; break
		:: else -> x = 0; g = 0
		fi }
	od;
	atomic { sleepers = sleepers & ~bit(me); goto awake }
#endif
	/* any -> awake, by a swap, which returns the last certified position. */
	atomic { x = word[me].position; word[me].state = AWAKE; word[me].position = NOT_YET };
	atomic {
		if
		:: x > AT(cursor[me]) -> assert_nothing_skipped(me, x - 1); cursor[me] = x - 1
		:: else
		fi;
		x = 0;
		sleepers = sleepers & ~bit(me);
		goto awake }
}

/*
 * Runs when no other process can: every publisher is done, dead or stopped, every sleeper sleeps.
 * What a sleeper wants and has not read can only be a message whose publisher was stopped before it
 * had woken the sleepers.
 */
proctype Quiet()
{
	byte s, q;
	timeout -> d_step {
		do
		:: s < SLEEPERS ->
			q = cursor[s];
			if
			:: word[s].position != NOT_YET && word[s].position - 1 > q -> q = word[s].position - 1
			:: else
			fi;
			/* nor is a quiet sleeper left behind, to be lapped or to hold its gate
			 * where it was */
			assert(q >= certified);
			do
			:: q < head ->
				assert(!wants(s, log_topic[q]) ||
					pending[log_publisher[q]] > 0 && pending[log_publisher[q]] <= AT(q) && fate[log_publisher[q]] == STOPPED);
				q++
			:: else -> q = 0; break
			od;
			s++
		:: else -> break
		od
	}
}

init {
	atomic {
		owner[0] = 0; topic[0] = 0;
		owner[1] = 1; topic[1] = 1;
#if RECORDS > 2
		owner[2] = 2; topic[2] = T2;
#endif
		interest[0] = bit(0);
		matched[0] = TOPICS_AT_START;
#if SLEEPERS > 1
		interest[1] = bit(1);
		matched[1] = TOPICS_AT_START;
#endif
	}
	atomic {
		run Publisher(0, 0, 0, Q0, false);
		run Publisher(1, 1, 1, Q1, false);
#if RECORDS > 2
		run Publisher(2, 2, T2, Q2, false);
#elif defined(HEIR)
		run Publisher(2, 0, T2, Q2, true);
#endif
		run Sleeper(0);
#if SLEEPERS > 1
		run Sleeper(1);
#endif
#if CRASHES + STOPS > 0
		run Fate();
#endif
		run Quiet()
	}
}
