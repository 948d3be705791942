/* What mock.c and load.c share: time, sockets, affinity. Linux only (epoll). */
#ifndef RBEE_BENCH_NET_H
#define RBEE_BENCH_NET_H

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S 1000000000LL
#define EVENTS_A_TURN 1024 /* ready sockets taken from the kernel at once: more than ever open */

static inline int64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t); /* the same clock in both programs: a cancel spans them */
  return (int64_t)t.tv_sec * NS_PER_S + t.tv_nsec;
}

static inline void die(const char* format, ...) {
  va_list rest;
  va_start(rest, format);
  vfprintf(stderr, format, rest);
  va_end(rest);
  fputc('\n', stderr);
  exit(1);
}

static inline void pin(int cpu) {
  if (cpu < 0) return;
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  if (sched_setaffinity(0, sizeof set, &set) < 0) die("cannot run on CPU %d", cpu);
}

/* No socket may wait for a delayed ACK, and none may block. */
static inline void tune(int fd) {
  int one = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

static inline struct sockaddr_in loopback(int port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

/* Wait for ready sockets until `until_ns` (0: look once; -1: for ever). */
static inline int wait_ready(int epoll, struct epoll_event* ready, int64_t until_ns) {
  struct timespec left = {0}, *limit = &left;
  if (until_ns < 0) {
    limit = NULL;
  } else if (until_ns > 0) {
    int64_t rest = until_ns - now_ns();
    if (rest > 0) {
      left.tv_sec = rest / NS_PER_S;
      left.tv_nsec = rest % NS_PER_S;
    }
  }
  int count = epoll_pwait2(epoll, ready, EVENTS_A_TURN, limit, NULL);
  if (count < 0 && errno != EINTR) die("epoll: %s", strerror(errno));
  return count < 0 ? 0 : count;
}

#endif
