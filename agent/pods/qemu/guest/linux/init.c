// The first program of a `linux` machine. It loads the modules, finds the machine's disks by their serials, mounts
// what the start disk says, starts the application, passes its output on to the console, and ends the machine with
// the line that tells the exit code. The line "\036stop" on the console ends the application first.
//
// The start disk (start-disk.ts) holds texts, each with a NUL behind it: "perigee 1", the working directory, seconds
// between SIGTERM and SIGKILL, then how many there are and the texts themselves of arguments, environment and mounts;
// a mount is three: the disk's serial, the place, "ro" or "rw".

#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <net/route.h>
#include <netinet/in.h>
#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

static const char STOP[] = "\036stop\n";
static int console = 1;

static void write_all(int fd, const char *data, size_t size)
{
	while (size > 0) {
		ssize_t n = write(fd, data, size);
		if (n < 0 && errno != EINTR)
			return;
		if (n > 0) {
			data += n;
			size -= (size_t)n;
		}
	}
}

static void say(const char *format, ...)
{
	char text[512];
	va_list arguments;
	va_start(arguments, format);
	int n = vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	write_all(console, text, (size_t)n < sizeof text ? (size_t)n : sizeof text - 1);
}

// Without an exit code when it is negative: the machine could not do its work.
static _Noreturn void end(int code)
{
	sync();
	if (code >= 0)
		say("\036exit %d\n", code & 255);
	tcdrain(console);
	// A microvm knows no power button; QEMU does not start a machine again.
	reboot(RB_AUTOBOOT);
	for (;;)
		pause();
}

static _Noreturn void fail(const char *what, const char *which)
{
	say("the machine cannot start: %s %s: %s\n", what, which, strerror(errno));
	end(-1);
}

static void load_modules(void)
{
	struct dirent **names;
	int count = scandir("/modules", &names, NULL, alphasort);
	for (int i = 0; i < count; i++) {
		if (names[i]->d_name[0] == '.')
			continue;
		char path[300];
		snprintf(path, sizeof path, "/modules/%s", names[i]->d_name);
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0 || (syscall(SYS_finit_module, fd, "", 0) && errno != EEXIST && errno != ENODEV))
			fail("module", names[i]->d_name);
		close(fd);
	}
}

static void open_console(void)
{
	for (const char *const *name = (const char *const[]){ "/dev/ttyS0", "/dev/ttyAMA0", NULL }; *name; name++) {
		int fd = open(*name, O_RDWR | O_NOCTTY | O_CLOEXEC);
		struct termios raw;
		if (fd < 0 || tcgetattr(fd, &raw)) {
			if (fd >= 0)
				close(fd);
			continue;
		}
		cfmakeraw(&raw);
		tcsetattr(fd, TCSANOW, &raw);
		console = fd;
		return;
	}
}

// Path of the disk with this serial, in `path`; devices may come a moment after their modules.
static int find_disk(const char *serial, char path[64])
{
	for (int turn = 0; turn < 500; turn++) {
		for (char letter = 'a'; letter <= 'h'; letter++) {
			char file[64], text[64] = "";
			snprintf(file, sizeof file, "/sys/block/vd%c/serial", letter);
			int fd = open(file, O_RDONLY | O_CLOEXEC);
			if (fd < 0)
				continue;
			ssize_t n = read(fd, text, sizeof text - 1);
			close(fd);
			while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == '\0'))
				text[--n] = '\0';
			if (strcmp(text, serial) == 0) {
				snprintf(path, 64, "/dev/vd%c", letter);
				return 1;
			}
		}
		usleep(10000);
	}
	errno = ENODEV;
	return 0;
}

// "ext4" for ext2 and its successors, "vfat", or NULL.
static const char *kind_of(const char *disk, int *dirty)
{
	unsigned char head[2048];
	int fd = open(disk, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : pread(fd, head, sizeof head, 0);
	if (fd >= 0)
		close(fd);
	if (n != sizeof head)
		return NULL;
	if (head[1024 + 56] == 0x53 && head[1024 + 57] == 0xef) {
		*dirty = !(head[1024 + 58] & 1) || head[1024 + 58] & 2;
		return "ext4";
	}
	if (head[510] == 0x55 && head[511] == 0xaa && (!memcmp(head + 54, "FAT", 3) || !memcmp(head + 82, "FAT", 3)))
		return "vfat";
	return NULL;
}

static void check(const char *disk)
{
	pid_t checker = fork();
	if (checker == 0) {
		int null = open("/dev/null", O_RDWR);
		for (int fd = 0; fd < 3; fd++)
			dup2(null, fd);
		execl("/e2fsck", "e2fsck", "-fp", disk, (char *)NULL);
		_exit(127);
	}
	waitpid(checker, NULL, 0);
}

// An image's link would lead the mount into what is ours.
static void refuse_links(char *place, size_t behind)
{
	struct stat found;
	for (char *end = place + behind; end; *end = '/') {
		end = strchr(end + 1, '/');
		if (end)
			*end = '\0';
		if (lstat(place, &found) || S_ISLNK(found.st_mode)) {
			errno = errno ? errno : ELOOP;
			fail("the volume at", place + behind);
		}
		if (!end)
			return;
	}
}

static void mount_volume(const char *serial, const char *at, int read_only)
{
	char disk[64], place[4200];
	if (!find_disk(serial, disk))
		fail("no disk for", at);
	int dirty = 0;
	const char *kind = kind_of(disk, &dirty);
	if (!kind) {
		errno = EMEDIUMTYPE;
		fail("the volume at", at);
	}
	if (dirty && !read_only)
		check(disk);
	snprintf(place, sizeof place, "/root%s", at);
	errno = 0;
	refuse_links(place, strlen("/root"));
	unsigned long flags = MS_NOSUID | MS_NODEV | (read_only ? MS_RDONLY : 0);
	const char *options = strcmp(kind, "vfat") == 0 ? "umask=0,iocharset=utf8" : "errors=remount-ro";
	if (mount(disk, place, kind, flags, options))
		fail("the volume at", at);
}

static void configure_network(void)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	const char *const of[][3] = { { "lo", "127.0.0.1", "255.0.0.0" }, { "eth0", "10.0.2.15", "255.255.255.0" } };
	for (int i = 0; i < 2; i++) {
		struct ifreq request = { 0 };
		struct sockaddr_in *address = (struct sockaddr_in *)&request.ifr_addr;
		strcpy(request.ifr_name, of[i][0]);
		address->sin_family = AF_INET;
		inet_pton(AF_INET, of[i][1], &address->sin_addr);
		if (ioctl(fd, SIOCSIFADDR, &request))
			continue;
		inet_pton(AF_INET, of[i][2], &address->sin_addr);
		ioctl(fd, SIOCSIFNETMASK, &request);
		request.ifr_flags = IFF_UP | IFF_RUNNING;
		ioctl(fd, SIOCSIFFLAGS, &request);
	}
	struct rtentry route = { .rt_flags = RTF_UP | RTF_GATEWAY };
	struct sockaddr_in *gateway = (struct sockaddr_in *)&route.rt_gateway;
	((struct sockaddr_in *)&route.rt_dst)->sin_family = AF_INET;
	((struct sockaddr_in *)&route.rt_genmask)->sin_family = AF_INET;
	gateway->sin_family = AF_INET;
	inet_pton(AF_INET, "10.0.2.2", &gateway->sin_addr);
	ioctl(fd, SIOCADDRT, &route);
	close(fd);
}

// The next text of the start disk.
static char *text_at, *text_end;

static char *next_text(void)
{
	char *text = text_at;
	char *nul = text < text_end ? memchr(text, 0, (size_t)(text_end - text)) : NULL;
	if (!nul) {
		errno = EBADMSG;
		fail("the start disk", "");
	}
	text_at = nul + 1;
	return text;
}

static char **next_texts(int *count, int each)
{
	*count = atoi(next_text());
	char **texts = calloc((size_t)(*count * each) + 1, sizeof *texts);
	for (int i = 0; i < *count * each; i++)
		texts[i] = next_text();
	return texts;
}

static void read_start_disk(void)
{
	char disk[64];
	if (!find_disk("start", disk))
		fail("no", "start disk");
	int fd = open(disk, O_RDONLY | O_CLOEXEC);
	off_t size = lseek(fd, 0, SEEK_END);
	text_at = malloc((size_t)size);
	if (!text_at || pread(fd, text_at, (size_t)size, 0) != size)
		fail("reading", "the start disk");
	text_end = text_at + size;
	close(fd);
	if (strcmp(next_text(), "perigee 1"))
		fail("unknown", "start disk");
}

static void mount_at(const char *what, const char *at, const char *kind, unsigned long flags, const char *options)
{
	if (mount(what, at, kind, flags, options))
		fail("mounting", at);
}

static pid_t start(char **argv, char **envp, const char *workdir, int output)
{
	pid_t child = fork();
	if (child != 0)
		return child;
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setsid();
	dup2(open("/dev/null", O_RDONLY), 0);
	dup2(output, 1);
	dup2(output, 2);
	if (chdir(workdir)) {
		dprintf(2, "%s: %s\n", workdir, strerror(errno));
		_exit(126);
	}
	environ = envp;
	execvp(argv[0], argv);
	dprintf(2, "%s: %s\n", argv[0], strerror(errno));
	_exit(errno == ENOENT ? 127 : 126);
}

// Passes everything on that is there now; 0 at the end.
static int pass_on(int from)
{
	char data[16384];
	ssize_t n = read(from, data, sizeof data);
	if (n > 0)
		write_all(console, data, (size_t)n);
	return n > 0 || (n < 0 && errno != EAGAIN);
}

int main(void)
{
	mount("dev", "/dev", "devtmpfs", MS_NOSUID, NULL);
	mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
	mount("sys", "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
	open_console();
	load_modules();
	read_start_disk();
	char *workdir = next_text();
	int grace = atoi(next_text());
	int argc, envc, mountc;
	char **argv = next_texts(&argc, 1), **envp = next_texts(&envc, 1), **mounts = next_texts(&mountc, 3);
	char disk[64];
	if (!find_disk("root", disk))
		fail("no", "root disk");
	mount_at(disk, "/root", "ext4", MS_RDONLY, NULL);
	mount_at("tmp", "/root/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777");
	mount_at("run", "/root/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755");
	for (int i = 0; i < mountc; i++)
		mount_volume(mounts[3 * i], mounts[3 * i + 1], strcmp(mounts[3 * i + 2], "ro") == 0);
	mount_at("/dev", "/root/dev", NULL, MS_MOVE, NULL);
	mount_at("/proc", "/root/proc", NULL, MS_MOVE, NULL);
	mount_at("/sys", "/root/sys", NULL, MS_MOVE, NULL);
	configure_network();
	if (chdir("/root") || mount(".", "/", NULL, MS_MOVE, NULL) || chroot(".") || chdir("/"))
		fail("changing", "the root");
	if (argc == 0) {
		errno = ENOEXEC;
		fail("the image names", "no command");
	}

	sigset_t ends;
	sigemptyset(&ends);
	sigaddset(&ends, SIGCHLD);
	sigprocmask(SIG_BLOCK, &ends, NULL);
	int output[2];
	if (pipe2(output, O_CLOEXEC | O_NONBLOCK))
		fail("a", "pipe");
	fcntl(output[1], F_SETFL, 0);
	pid_t child = start(argv, envp, workdir, output[1]);
	close(output[1]);

	int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	struct pollfd from[] = { { .fd = output[0], .events = POLLIN },
				 { .fd = signalfd(-1, &ends, SFD_CLOEXEC), .events = POLLIN },
				 { .fd = console, .events = POLLIN },
				 { .fd = timer, .events = POLLIN } };
	size_t heard = 0;
	int status = 0, told = 0;
	for (int over = 0; !over;) {
		if (poll(from, 4, -1) < 0)
			continue;
		if (from[0].revents && !pass_on(output[0]) )
			from[0].fd = -1;
		if (from[1].revents) {
			struct signalfd_siginfo which;
			(void)!read(from[1].fd, &which, sizeof which);
			int how;
			for (pid_t ended; (ended = waitpid(-1, &how, WNOHANG)) > 0;)
				if (ended == child) {
					status = how;
					over = 1;
				}
		}
		if (from[2].revents) {
			char c;
			if (read(console, &c, 1) == 1) {
				heard = c == STOP[heard] ? heard + 1 : c == STOP[0];
				if (heard == sizeof STOP - 1) {
					heard = 0;
					if (told++)
						continue;
					kill(child, SIGTERM);
					struct itimerspec at = { .it_value.tv_sec = grace > 0 ? grace : 1 };
					timerfd_settime(timer, 0, &at, NULL);
				}
			}
		}
		if (from[3].revents) {
			uint64_t count;
			(void)!read(timer, &count, sizeof count);
			kill(child, SIGKILL);
		}
	}
	// What it started ends with it; what they said is passed on.
	kill(-1, SIGKILL);
	while (waitpid(-1, NULL, 0) > 0)
		;
	while (pass_on(output[0]))
		;
	for (int i = mountc - 1; i >= 0; i--)
		umount2(mounts[3 * i + 1], 0);
	end(WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
}
