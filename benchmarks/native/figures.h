/* Numbers of load.c: times as quantiles, CPU and memory of processes from /proc. */
#ifndef RBEE_BENCH_FIGURES_H
#define RBEE_BENCH_FIGURES_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

typedef struct {
  uint32_t* us;
  long count, room;
} Samples;

typedef struct {
  long utime, stime, rss_kb;
} Usage;

static void sample(Samples* to, int64_t ns) {
  if (to->count == to->room) {
    to->room = to->room ? to->room * 2 : 4096;
    to->us = realloc(to->us, to->room * sizeof *to->us);
  }
  to->us[to->count++] = (uint32_t)(ns / 1000);
}

static int by_size(const void* a, const void* b) {
  uint32_t x = *(const uint32_t*)a, y = *(const uint32_t*)b;
  return x < y ? -1 : x > y;
}

static void print_samples(const char* name, Samples* of) {
  if (!of->count) {
    printf("\"%s\":null,", name);
    return;
  }
  qsort(of->us, of->count, sizeof *of->us, by_size);
  printf("\"%s\":{\"count\":%ld,\"p50_ms\":%.3f,\"p99_ms\":%.3f,\"max_ms\":%.3f},", name, of->count,
         of->us[of->count / 2] / 1e3, of->us[of->count * 99 / 100] / 1e3,
         of->us[of->count - 1] / 1e3);
}

static void add_usage(int pid, Usage* to) {
  char path[64], text[1024];
  snprintf(path, sizeof path, "/proc/%d/stat", pid);
  FILE* file = fopen(path, "r");
  if (!file) return;
  text[fread(text, 1, sizeof text - 1, file)] = 0;
  fclose(file);
  char* rest = strrchr(text, ')'); /* the command's name may hold anything */
  long user = 0, system = 0, pages = 0;
  if (rest &&
      sscanf(
          rest + 2,
          "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %ld %ld %*d %*d %*d %*d %*d %*d %*u %*u %ld",
          &user, &system, &pages) == 3) {
    to->utime += user;
    to->stime += system;
    to->rss_kb += pages * (sysconf(_SC_PAGESIZE) / 1024);
  }
}

static double own_cpu_s(void) {
  struct rusage own;
  getrusage(RUSAGE_SELF, &own);
  return own.ru_utime.tv_sec + own.ru_stime.tv_sec +
         (own.ru_utime.tv_usec + own.ru_stime.tv_usec) / 1e6;
}

#endif
