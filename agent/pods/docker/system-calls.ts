/**
 * The system calls that a payload may make, by subject, under the names of Linux for x86-64 and arm64 and of their
 * 32-bit ABIs (`…32`, `…64`, `…_time64`). What is not named fails with EPERM: namespaces, mounts, modules, keys, BPF,
 * tracing of others, clocks, io_uring, and `socketcall`, whose arguments a filter cannot see.
 */
export const SYSTEM_CALLS: readonly string[] = words(`
  open openat openat2 creat close dup dup2 dup3 fcntl fcntl64 flock ioctl
  read readv pread64 preadv preadv2 write writev pwrite64 pwritev pwritev2
  lseek _llseek readahead fadvise64 fadvise64_64 arm_fadvise64_64 sendfile sendfile64 copy_file_range
  splice tee vmsplice pipe pipe2
  fsync fdatasync sync syncfs sync_file_range sync_file_range2 arm_sync_file_range
  truncate truncate64 ftruncate ftruncate64 fallocate

  stat stat64 lstat lstat64 fstat fstat64 fstatat64 newfstatat statx statfs statfs64 fstatfs fstatfs64
  access faccessat faccessat2 readlink readlinkat getdents getdents64 getcwd chdir fchdir
  mkdir mkdirat rmdir mknod mknodat link linkat symlink symlinkat unlink unlinkat rename renameat renameat2
  chmod fchmod fchmodat chown chown32 lchown lchown32 fchown fchown32 fchownat umask
  utime utimes futimesat utimensat utimensat_time64
  getxattr lgetxattr fgetxattr setxattr lsetxattr fsetxattr
  listxattr llistxattr flistxattr removexattr lremovexattr fremovexattr
  inotify_init inotify_init1 inotify_add_watch inotify_rm_watch fanotify_mark

  select _newselect pselect6 pselect6_time64 poll ppoll ppoll_time64
  epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_wait epoll_wait_old epoll_pwait epoll_pwait2
  eventfd eventfd2 signalfd signalfd4
  io_setup io_submit io_getevents io_pgetevents io_pgetevents_time64 io_cancel io_destroy

  socketpair bind connect listen accept accept4 getsockname getpeername getsockopt setsockopt shutdown
  send sendto sendmsg sendmmsg recv recvfrom recvmsg recvmmsg recvmmsg_time64

  mmap mmap2 munmap mremap mprotect madvise msync mincore brk remap_file_pages membarrier
  mlock mlock2 mlockall munlock munlockall memfd_create memfd_secret

  fork vfork execve execveat exit exit_group wait4 waitid waitpid restart_syscall
  getpid getppid gettid getpgid getpgrp getsid setpgid setsid set_tid_address
  set_robust_list get_robust_list rseq futex futex_time64 futex_waitv
  set_thread_area get_thread_area set_tls arch_prctl prctl modify_ldt cacheflush breakpoint
  pidfd_open pidfd_send_signal process_mrelease

  kill tkill tgkill pause rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_tgsigqueueinfo rt_sigreturn
  rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64 sigaltstack sigprocmask sigreturn

  getuid getuid32 geteuid geteuid32 getgid getgid32 getegid getegid32 getgroups getgroups32
  getresuid getresuid32 getresgid getresgid32
  setuid setuid32 setgid setgid32 setgroups setgroups32 setreuid setreuid32 setregid setregid32
  setresuid setresuid32 setresgid setresgid32 setfsuid setfsuid32 setfsgid setfsgid32
  capget capset seccomp landlock_create_ruleset landlock_add_rule landlock_restrict_self

  time times gettimeofday clock_gettime clock_gettime64 clock_getres clock_getres_time64
  nanosleep clock_nanosleep clock_nanosleep_time64 alarm getitimer setitimer adjtimex clock_adjtime clock_adjtime64
  timer_create timer_delete timer_getoverrun timer_gettime timer_gettime64 timer_settime timer_settime64
  timerfd_create timerfd_gettime timerfd_gettime64 timerfd_settime timerfd_settime64

  sched_yield sched_getaffinity sched_setaffinity sched_getparam sched_setparam sched_getscheduler
  sched_setscheduler sched_getattr sched_setattr sched_get_priority_max sched_get_priority_min
  sched_rr_get_interval sched_rr_get_interval_time64 getpriority setpriority ioprio_get ioprio_set getcpu
  getrlimit ugetrlimit setrlimit prlimit64 getrusage sysinfo uname getrandom

  ipc shmget shmat shmdt shmctl semget semop semctl semtimedop semtimedop_time64 msgget msgsnd msgrcv msgctl
  mq_open mq_unlink mq_timedsend mq_timedsend_time64 mq_timedreceive mq_timedreceive_time64 mq_notify mq_getsetattr
`);

function words(text: string): string[] {
  return text.split(/\s+/).filter((word) => word !== "");
}
