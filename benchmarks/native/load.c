/* A load generator that is not the bottleneck; the figures come out as one JSON object.
 *
 *   load MODE PORT BODY-FILE [name=value ...]
 *
 *   loop    C connections, each asks again as soon as its answer is whole (fresh=1: on a new
 *           connection). With an endless stream as BODY it is "C streams at once".
 *   stall   C connections ask and never read.
 *   cancel  one connection after another asks, leaves after the first event (or, not streamed,
 *           after a while), and waits until the mock on `mock-port` has seen that.
 *
 *   connections=1 warm-s=0.5 seconds=2 ramp-s=0 fresh=0 rounds=30 cpu=-1 key= pids=1,2
 *   mock-port= mock-pid=
 *
 * CPU and memory are those of `pids`, read from /proc at both ends of the window of `seconds`
 * that follows the warm-up. One thread, one epoll.
 */
#include "net.h"
/* after net.h, which asks for the GNU functions */
#include "figures.h"

#define READ_MAX (256 * 1024)
#define HEAD_MAX 16384
#define CONNECTIONS_MAX 8192
#define PIDS_MAX 64
#define RSS_SAMPLES_MAX 1024
#define RSS_EVERY_NS (NS_PER_S / 4)
#define CANCEL_WAIT_NS (NS_PER_S / 30) /* a request that does not stream is at work by then */
#define CANCEL_LIMIT_NS (3 * NS_PER_S) /* later is "never" */
#define EVENTS_BEFORE_CANCEL 3

typedef struct {
  int fd;
  bool connecting, in_body, chunked, opening; /* opening: its first answer of all */
  long left;                                  /* of a body with a length; -1: until the end */
  int64_t begun_ns, first_ns;
  char head[HEAD_MAX], tail[8];
  int head_size, tail_size;
} Client;

/* what was asked */
static int port, connections = 1, rounds = 30, cpu = -1, mock_port, mock_pid, fresh;
static double warm_s = 0.5, window_s = 2, ramp_s;
static int pids[PIDS_MAX], pids_count;
static char* request;
static int request_size;
static bool streaming;

/* what was seen */
static Samples opening, firsts, wholes;
static long answers, events, bytes, failures, bad_status;
static int status_seen;
static double rss_mb[RSS_SAMPLES_MAX];
static int rss_count;

static int epoll_fd;
static Client* clients;
static char data[READ_MAX];

/* ── the processes watched ──────────────────────────────────────────────── */

static Usage usage(void) {
  Usage all = {0};
  for (int n = 0; n < pids_count; n++) add_usage(pids[n], &all);
  return all;
}

static void sample_rss(void) {
  if (rss_count < RSS_SAMPLES_MAX) rss_mb[rss_count++] = usage().rss_kb / 1024.0;
}

/* ── one client ─────────────────────────────────────────────────────────── */

static void ask(Client* one) {
  one->in_body = one->chunked = false;
  one->head_size = one->tail_size = 0;
  one->first_ns = 0;
  if (!one->opening) one->begun_ns = now_ns(); /* the first one began with its connect */
  ssize_t sent = send(one->fd, request, request_size, MSG_NOSIGNAL);
  if (sent != request_size) failures++; /* shows at once: no answer will come */
}

static void open_client(Client* one, bool first) {
  one->fd = socket(AF_INET, SOCK_STREAM, IPPROTO_TCP);
  tune(one->fd);
  one->opening = first;
  one->begun_ns = now_ns();
  one->connecting = true;
  struct sockaddr_in address = loopback(port);
  if (connect(one->fd, (struct sockaddr*)&address, sizeof address) < 0 && errno != EINPROGRESS)
    die("cannot connect to port %d: %s", port, strerror(errno));
  struct epoll_event wish = {.events = EPOLLOUT, .data.ptr = one};
  epoll_ctl(epoll_fd, EPOLL_CTL_ADD, one->fd, &wish);
}

static void on_connected(Client* one, bool reads) {
  int error = 0;
  socklen_t size = sizeof error;
  getsockopt(one->fd, SOL_SOCKET, SO_ERROR, &error, &size);
  if (error) die("cannot connect to port %d: %s", port, strerror(error));
  one->connecting = false;
  struct epoll_event wish = {.events = reads ? EPOLLIN : 0, .data.ptr = one};
  epoll_ctl(epoll_fd, EPOLL_CTL_MOD, one->fd, &wish);
  ask(one);
}

static void finish(Client* one, bool reusable) {
  answers++;
  int64_t now = now_ns();
  if (one->first_ns) sample(one->opening ? &opening : &firsts, one->first_ns - one->begun_ns);
  sample(&wholes, now - one->begun_ns);
  one->opening = false;
  if (reusable && !fresh) {
    ask(one);
    return;
  }
  close(one->fd);
  open_client(one, false);
}

static int take_head(Client* one, int got) {
  int room = HEAD_MAX - 1 - one->head_size, taken = got < room ? got : room;
  int before = one->head_size;
  memcpy(one->head + before, data, taken);
  one->head_size += taken;
  one->head[one->head_size] = 0;
  char* end = strstr(one->head, "\r\n\r\n");
  if (!end) {
    if (taken == room) die("an answer's head is longer than %d bytes", HEAD_MAX);
    return got;
  }
  *end = 0;
  int status = atoi(one->head + 9);
  if (status != 200) {
    bad_status++;
    status_seen = status;
  }
  char* length = strcasestr(one->head, "\r\ncontent-length:");
  one->chunked = strcasestr(one->head, "\r\ntransfer-encoding: chunked") != NULL;
  one->left = length ? strtol(length + 17, NULL, 10) : -1;
  one->in_body = true;
  return (int)(end + 4 - one->head) - before; /* of `data`, what belonged to the head */
}

/* Whole events: empty lines, counted over the ends of reads too. */
static void count_events(Client* one, const char* from, int size) {
  bool line = one->tail_size && one->tail[one->tail_size - 1] == '\n';
  for (const char *at = from, *end = from + size; at < end;) {
    if (*at == '\n' && line) {
      events++;
      line = false;
      at++;
      continue;
    }
    const char* next = memchr(at, '\n', end - at);
    if (!next) break;
    line = true;
    at = next + 1;
    if (at < end && *at != '\n') line = false;
  }
}

static void keep_tail(Client* one, const char* from, int size) {
  const int most = 7; /* "\r\n0\r\n\r\n" */
  if (size >= most) {
    memcpy(one->tail, from + size - most, most);
    one->tail_size = most;
    return;
  }
  int kept = one->tail_size < most - size ? one->tail_size : most - size;
  memmove(one->tail, one->tail + one->tail_size - kept, kept);
  memcpy(one->tail + kept, from, size);
  one->tail_size = kept + size;
}

static void on_readable(Client* one) {
  ssize_t got = recv(one->fd, data, sizeof data, 0);
  if (got < 0 && errno == EAGAIN) return;
  if (got <= 0) {
    if (got < 0 || !one->in_body || one->chunked || one->left >= 0) failures++;
    finish(one, false);
    return;
  }
  bytes += got;
  int from = one->in_body ? 0 : take_head(one, (int)got), size = (int)got - from;
  if (!one->in_body || !size) return;
  if (!one->first_ns) one->first_ns = now_ns();
  if (one->chunked) {
    count_events(one, data + from, size);
    keep_tail(one, data + from, size);
    if (one->tail_size == 7 && !memcmp(one->tail, "\r\n0\r\n\r\n", 7)) finish(one, true);
  } else if (one->left >= 0 && (one->left -= size) <= 0) {
    finish(one, true);
  }
}

/* ── modes ──────────────────────────────────────────────────────────────── */

static void turn(int64_t until_ns, bool reads) {
  static struct epoll_event ready[EVENTS_A_TURN];
  int found = wait_ready(epoll_fd, ready, until_ns);
  for (int n = 0; n < found; n++) {
    Client* one = ready[n].data.ptr;
    if (one->connecting)
      on_connected(one, reads);
    else if (ready[n].events & EPOLLIN || reads)
      on_readable(one);
  }
}

/* Open all connections over `ramp_s`, then go on until `end_ns`, sampling memory. */
static void run_until(int64_t end_ns, bool reads) {
  static int opened;
  static int64_t begun, next_rss;
  if (!begun) begun = next_rss = now_ns();
  for (int64_t now; (now = now_ns()) < end_ns;) {
    while (opened < connections &&
           now >= begun + (int64_t)(ramp_s * NS_PER_S) * opened / connections)
      open_client(&clients[opened++], true);
    if (now >= next_rss) {
      sample_rss();
      next_rss += RSS_EVERY_NS;
    }
    int64_t until = opened < connections ? now + NS_PER_S / 1000 : end_ns;
    turn(until < next_rss ? until : next_rss, reads);
  }
}

static void forget(Samples* of) {
  of->count = 0;
}

static void loop(bool reads) {
  clients = calloc(connections, sizeof *clients);
  int64_t begun = now_ns(), middle = begun + (int64_t)((ramp_s + warm_s) * NS_PER_S);
  run_until(middle, reads);
  forget(&firsts), forget(&wholes);
  answers = events = bytes = 0;
  Usage before = usage(), mock_before = {0}, mock_after = {0};
  add_usage(mock_pid, &mock_before);
  double own = own_cpu_s();
  int64_t from = now_ns();
  run_until(from + (int64_t)(window_s * NS_PER_S), reads);
  double took_s = (double)(now_ns() - from) / NS_PER_S, tick_s = 1.0 / sysconf(_SC_CLK_TCK);
  Usage after = usage();
  add_usage(mock_pid, &mock_after);
  if (!reads) /* who never read does so now: was it an answer at all? */
    for (int n = 0; n < connections; n++) on_readable(&clients[n]);
  long starved = 0;
  for (int n = 0; n < connections; n++) {
    Client* one = &clients[n];
    if (!one->opening) continue;
    if (!one->first_ns) starved++; /* counted as if its first token came now */
    sample(&opening, (one->first_ns ? one->first_ns : now_ns()) - one->begun_ns);
  }
  printf("{\"window_s\":%.4f,\"answers\":%ld,\"events\":%ld,\"bytes\":%ld,", took_s, answers,
         events, bytes);
  printf("\"failures\":%ld,\"bad_status\":%ld,\"status\":%d,\"starved\":%ld,", failures, bad_status,
         status_seen, starved);
  printf("\"cpu_user_s\":%.3f,\"cpu_system_s\":%.3f,", (after.utime - before.utime) * tick_s,
         (after.stime - before.stime) * tick_s);
  printf("\"load_cpu_s\":%.3f,\"mock_cpu_s\":%.3f,", own_cpu_s() - own,
         (mock_after.utime + mock_after.stime - mock_before.utime - mock_before.stime) * tick_s);
  print_samples("opening", &opening);
  print_samples("first", &firsts);
  print_samples("whole", &wholes);
  printf("\"rss_mb\":[");
  for (int n = 0; n < rss_count; n++) printf("%s%.1f", n ? "," : "", rss_mb[n]);
  printf("]}\n");
}

static int connected_to(int where) {
  int fd = socket(AF_INET, SOCK_STREAM, IPPROTO_TCP), one = 1;
  struct sockaddr_in address = loopback(where);
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (connect(fd, (struct sockaddr*)&address, sizeof address) < 0)
    die("cannot connect to port %d: %s", where, strerror(errno));
  return fd;
}

/* How many answers the mock saw given up; `last_ns`: when the last one was. */
static long closed_seen(int mock, long long* last_ns) {
  static const char* wish = "GET /closed HTTP/1.1\r\nHost: mock\r\n\r\n";
  if (send(mock, wish, strlen(wish), MSG_NOSIGNAL) < 0) die("the mock is gone");
  ssize_t got = recv(mock, data, sizeof data - 1, 0);
  data[got > 0 ? got : 0] = 0;
  char* body = strstr(data, "\r\n\r\n");
  long count = 0;
  if (!body || sscanf(body, " {\"closes\":%ld,\"last_close_ns\":%lld}", &count, last_ns) != 2)
    die("the mock's answer is not understood: %s", data);
  return count;
}

static void pause_ns(int64_t ns) {
  struct timespec t = {ns / NS_PER_S, ns % NS_PER_S};
  nanosleep(&t, NULL);
}

static void cancel(void) {
  int mock = connected_to(mock_port);
  long never = 0;
  for (int n = 0; n < rounds; n++) {
    long long last_ns = 0;
    int fd = connected_to(port);
    if (send(fd, request, request_size, MSG_NOSIGNAL) != request_size)
      die("the request was not taken");
    if (streaming) {
      Client one = {0};
      for (long seen = events; events < seen + EVENTS_BEFORE_CANCEL;) {
        ssize_t got = recv(fd, data, sizeof data, 0);
        if (got <= 0) die("closed before the first event");
        count_events(&one, data, (int)got);
      }
    } else {
      pause_ns(CANCEL_WAIT_NS);
    }
    long before = closed_seen(mock, &last_ns);
    int64_t left_ns = now_ns();
    close(fd);
    while (closed_seen(mock, &last_ns) == before && now_ns() < left_ns + CANCEL_LIMIT_NS)
      pause_ns(NS_PER_S / 5000);
    if (last_ns < left_ns)
      never++;
    else
      sample(&wholes, last_ns - left_ns);
    answers++;
  }
  printf("{\"answers\":%ld,\"never\":%ld,", answers, never);
  print_samples("cancel", &wholes);
  printf("\"rounds\":%d}\n", rounds);
}

/* ── what was asked ─────────────────────────────────────────────────────── */

static char key[512];

static void set(char* pair) {
  char* value = strchr(pair, '=');
  if (!value) die("%s is not name=value", pair);
  *value++ = 0;
  struct {
    const char* name;
    int* whole;
    double* real;
  } known[] = {{"connections", &connections, NULL},
               {"rounds", &rounds, NULL},
               {"cpu", &cpu, NULL},
               {"mock-port", &mock_port, NULL},
               {"mock-pid", &mock_pid, NULL},
               {"fresh", &fresh, NULL},
               {"warm-s", NULL, &warm_s},
               {"seconds", NULL, &window_s},
               {"ramp-s", NULL, &ramp_s}};
  for (size_t n = 0; n < sizeof known / sizeof *known; n++) {
    if (strcmp(pair, known[n].name)) continue;
    if (known[n].whole) *known[n].whole = atoi(value);
    if (known[n].real) *known[n].real = atof(value);
    return;
  }
  if (!strcmp(pair, "key")) {
    snprintf(key, sizeof key, "%s", value);
  } else if (!strcmp(pair, "pids")) {
    for (char* at = strtok(value, ","); at && pids_count < PIDS_MAX; at = strtok(NULL, ","))
      pids[pids_count++] = atoi(at);
  } else {
    die("what is %s?", pair);
  }
}

static void build_request(const char* path) {
  FILE* file = fopen(path, "r");
  if (!file) die("cannot read %s", path);
  static char body[READ_MAX];
  size_t size = fread(body, 1, sizeof body - 1, file);
  fclose(file);
  streaming = strstr(body, "\"stream\":true") != NULL;
  request = malloc(size + 2048);
  request_size = sprintf(request,
                         "POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n"
                         "Content-Type: application/json\r\nAccept: */*\r\n%s%s%s"
                         "Content-Length: %zu\r\n\r\n",
                         port, *key ? "Authorization: Bearer " : "", key, *key ? "\r\n" : "", size);
  memcpy(request + request_size, body, size);
  request_size += (int)size;
}

int main(int count, char** given) {
  if (count < 4) die("usage: load loop|stall|cancel PORT BODY-FILE [name=value ...]");
  port = atoi(given[2]);
  for (int n = 4; n < count; n++) set(given[n]);
  if (connections < 1 || connections > CONNECTIONS_MAX) die("1 to %d connections", CONNECTIONS_MAX);
  pin(cpu);
  build_request(given[3]);
  epoll_fd = epoll_create1(0);
  if (!strcmp(given[1], "loop"))
    loop(true);
  else if (!strcmp(given[1], "stall"))
    loop(false);
  else if (!strcmp(given[1], "cancel"))
    cancel();
  else
    die("what is %s?", given[1]);
}
