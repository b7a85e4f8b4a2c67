// The first process of a machine's container: `warden off|line PROGRAM ARGUMENT...`
//
// It starts the machine, passes its console on, and ends as the program in it did: the code comes in the
// console's last line, "\036exit N", which is not passed on. SIGTERM switches the machine off (`off`) or writes
// "\036stop" to its console (`line`), each second until it ends. Without that last line it says so on stderr, where no guest writes, and
// ends with 255.
//
// A guest without the host's virtualisation has no clock to measure its processor by: the word "TSC_KHZ" at the end of
// an argument becomes how fast it counts.

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char BEGIN[] = "\036exit ";
static const char STOP[] = "\036stop\n";
static const char NO_CODE[] = "the machine ended without an exit code\n";

enum { LONGEST = sizeof BEGIN - 1 + 3 + 1 };

// What may be the last line is held back until something comes behind it.
static char held[LONGEST];
static size_t holding;

static void pass(const char *data, size_t size)
{
	while (size > 0) {
		ssize_t n = write(1, data, size);
		if (n < 0 && errno != EINTR)
			exit(255);
		if (n > 0) {
			data += n;
			size -= (size_t)n;
		}
	}
}

// The code in what is held; -1 when it is not, or not yet, an exit line.
static int code_held(void)
{
	if (holding < sizeof BEGIN + 1 || held[holding - 1] != '\n')
		return -1;
	int code = atoi(held + sizeof BEGIN - 1);
	return code <= 255 ? code : -1;
}

// May `c` come behind what is held?
static int continues(char c)
{
	if (holding < sizeof BEGIN - 1)
		return c == BEGIN[holding];
	if (holding > 0 && held[holding - 1] == '\n')
		return 0;
	size_t digits = holding - (sizeof BEGIN - 1);
	if (c >= '0' && c <= '9')
		return digits < 3;
	return c == '\n' && digits > 0;
}

static void take(const char *data, size_t size)
{
	size_t passed = 0;
	for (size_t at = 0; at < size; at++) {
		if (holding == 0 && data[at] != BEGIN[0])
			continue;
		if (holding == 0)
			pass(data + passed, at - passed);
		if (!continues(data[at])) {
			pass(held, holding);
			holding = 0;
			passed = at;
			if (data[at] != BEGIN[0])
				continue;
		}
		held[holding++] = data[at];
		passed = at + 1;
	}
	if (holding == 0)
		pass(data + passed, size - passed);
}

#ifdef __x86_64__
static long long nanoseconds(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ll + now.tv_nsec;
}

static long long counts_per_millisecond(void)
{
	long long from = nanoseconds(), count = (long long)__builtin_ia32_rdtsc(), to;
	while ((to = nanoseconds()) - from < 20000000)
		;
	return ((long long)__builtin_ia32_rdtsc() - count) * 1000000 / (to - from);
}
#else
static long long counts_per_millisecond(void)
{
	return 0;
}
#endif

static char *with_clock(char *argument)
{
	static const char mark[] = "TSC_KHZ";
	size_t size = strlen(argument), end = sizeof mark - 1;
	if (size < end || strcmp(argument + size - end, mark))
		return argument;
	char *with = malloc(size + 32);
	if (with)
		sprintf(with, "%.*s%lld", (int)(size - end), argument, counts_per_millisecond());
	return with;
}

int main(int argc, char **argv)
{
	if (argc < 3)
		return 255;
	for (int i = 3; i < argc; i++)
		argv[i] = with_clock(argv[i]);
	int by_line = strcmp(argv[1], "line") == 0;
	int in[2], out[2];
	sigset_t told, before;
	sigemptyset(&told);
	sigaddset(&told, SIGTERM);
	sigprocmask(SIG_BLOCK, &told, &before);
	signal(SIGPIPE, SIG_IGN);
	if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC))
		return 255;
	pid_t machine = fork();
	if (machine < 0)
		return 255;
	if (machine == 0) {
		signal(SIGPIPE, SIG_DFL);
		sigprocmask(SIG_SETMASK, &before, NULL);
		dup2(in[0], 0);
		dup2(out[1], 1);
		execv(argv[2], argv + 2);
		perror("the machine cannot be started");
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	int stopped = 0;
	struct pollfd from[] = { { .fd = out[0], .events = POLLIN },
				 { .fd = signalfd(-1, &told, SFD_CLOEXEC), .events = POLLIN } };
	for (;;) {
		// A guest that is just starting may have missed it.
		int again = stopped && by_line ? 1000 : -1;
		int ready = poll(from, 2, again);
		if (ready < 0 && errno != EINTR)
			return 255;
		if (ready <= 0) {
			if (ready == 0)
				(void)!write(in[1], STOP, sizeof STOP - 1);
			continue;
		}
		if (from[1].revents & POLLIN) {
			struct signalfd_siginfo which;
			(void)!read(from[1].fd, &which, sizeof which);
			stopped = 1;
			if (by_line)
				(void)!write(in[1], STOP, sizeof STOP - 1);
			else
				kill(machine, SIGKILL);
		}
		if (from[0].revents) {
			char data[16384];
			ssize_t n = read(out[0], data, sizeof data);
			if (n == 0 || (n < 0 && errno != EINTR))
				break;
			if (n > 0)
				take(data, (size_t)n);
		}
	}
	int status;
	while (waitpid(machine, &status, 0) < 0 && errno == EINTR)
		;
	int code = code_held();
	if (code >= 0)
		return code;
	pass(held, holding);
	if (stopped && !by_line)
		return 128 + SIGKILL;
	(void)!write(2, NO_CODE, sizeof NO_CODE - 1);
	return 255;
}
