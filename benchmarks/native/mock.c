/* A worker that costs next to nothing: llama.cpp's OpenAI face over prebuilt bytes.
 *
 *   mock CPU BURST MODEL PORT [PORT ...]
 *
 * One thread, one epoll, one listening socket a port (so many workers in one
 * process). A request says in fields of OpenAI's own, which every proxy passes
 * on, how it wants to be answered:
 *
 *   stream      true: server-sent events, one chunk each; else one JSON answer
 *   max_tokens  content events of a stream
 *   seed        microseconds between two events; 0: as fast as the socket takes,
 *               BURST events a write. Of a unary answer: how long it "thinks".
 *
 * The first token comes with the head, as from an engine whose prompt is in its
 * cache. `GET /closed` tells how many answers their reader gave up and when the
 * last one did (CLOCK_MONOTONIC), which is how a cancel is timed. Connections
 * are kept alive. Everything else a router asks before it trusts a worker
 * (health, models, server info) gets a plain answer.
 */
#include "net.h"
/* after net.h, which asks for the GNU functions */
#include "answers.h"

#define INPUT_MAX (256 * 1024) /* the longest request: prompts of the benchmark have a few kB */
#define CONNECTIONS_MAX 16384

enum { LISTENER, IDLE, THINKING, PACED, GREEDY };

typedef struct {
  int fd, state, heap_at; /* heap_at: place among the timers, -1 when none */
  int64_t due_ns, interval_ns;
  long left;               /* content events still to come */
  bool wants_out, closing; /* closing: nothing follows what is in `out` */
  bool keep;               /* false: close after the answer */
  char* in;
  int in_size, in_room;
  char* out; /* what the socket did not take: OUTPUT_MAX bytes, or NULL */
  int out_at, out_size;
} Connection;

static int epoll_fd;
static Connection* timers[CONNECTIONS_MAX];
static int timers_count;
static long closes;
static int64_t last_close_ns;

/* ── timers: a binary heap by due time ──────────────────────────────────── */

static void place(Connection* one, int at) {
  timers[at] = one;
  one->heap_at = at;
}

static void sift(Connection* one, int at) {
  for (; at && timers[(at - 1) / 2]->due_ns > one->due_ns; at = (at - 1) / 2)
    place(timers[(at - 1) / 2], at);
  for (int child; (child = 2 * at + 1) < timers_count; at = child) {
    if (child + 1 < timers_count && timers[child + 1]->due_ns < timers[child]->due_ns) child++;
    if (timers[child]->due_ns >= one->due_ns) break;
    place(timers[child], at);
  }
  place(one, at);
}

static void set_timer(Connection* one, int64_t due_ns) {
  one->due_ns = due_ns;
  sift(one, one->heap_at < 0 ? timers_count++ : one->heap_at);
}

static void drop_timer(Connection* one) {
  if (one->heap_at < 0) return;
  int at = one->heap_at;
  one->heap_at = -1;
  Connection* moved = timers[--timers_count];
  if (moved != one) sift(moved, at);
}

/* ── writing ────────────────────────────────────────────────────────────── */

static void want_out(Connection* one, bool wanted) {
  if (one->wants_out == wanted) return;
  one->wants_out = wanted;
  struct epoll_event ask = {.events = EPOLLIN | EPOLLRDHUP | (wanted ? EPOLLOUT : 0),
                            .data.ptr = one};
  epoll_ctl(epoll_fd, EPOLL_CTL_MOD, one->fd, &ask);
}

static void bury(Connection* one) {
  if (one->state != IDLE) { /* its reader left in mid-answer */
    closes++;
    last_close_ns = now_ns();
  }
  drop_timer(one);
  close(one->fd);
  free(one->in);
  free(one->out);
  free(one);
}

/* Write; what the socket does not take is kept. False: the connection is gone. */
static bool put(Connection* one, const char* data, int size) {
  ssize_t sent = send(one->fd, data, size, MSG_NOSIGNAL);
  if (sent == size) return true;
  if (sent < 0) {
    if (errno != EAGAIN) {
      bury(one);
      return false;
    }
    sent = 0;
  }
  int rest = size - (int)sent;
  if (!one->out) one->out = malloc(OUTPUT_MAX);
  memcpy(one->out, data + sent, rest);
  one->out_at = 0;
  one->out_size = rest;
  want_out(one, true);
  return true;
}

static void serve(Connection* one);

/* The answer is out: take the next request. */
static void finish(Connection* one) {
  one->state = IDLE;
  want_out(one, false);
  if (!one->keep) {
    bury(one);
    return;
  }
  if (one->in_size) serve(one);
}

static bool put_end(Connection* one, const char* data, int size) {
  one->closing = true;
  if (!put(one, data, size)) return false;
  if (one->out_size) return true;
  finish(one);
  return false; /* may be freed: touch it no more */
}

/* Greedy: a run of events no longer than what `out` can keep. */
static void pour(Connection* one) {
  long count = one->left < burst ? one->left : burst;
  if (count == 0) {
    put_end(one, last, last_size);
    return;
  }
  one->left -= count;
  put(one, events, (int)count * event_size);
}

static void step(Connection* one) { /* a timer is due */
  if (one->state == THINKING) {
    put_end(one, unary, unary_size);
    return;
  }
  if (one->out_size) { /* the reader is behind: the schedule goes on when it is back */
    set_timer(one, one->due_ns + one->interval_ns);
    return;
  }
  if (one->left-- == 0) {
    drop_timer(one);
    put_end(one, last, last_size);
    return;
  }
  if (put(one, event, event_size)) set_timer(one, one->due_ns + one->interval_ns);
}

static void on_writable(Connection* one) {
  if (one->out_size) {
    ssize_t sent = send(one->fd, one->out + one->out_at, one->out_size, MSG_NOSIGNAL);
    if (sent < 0) {
      if (errno != EAGAIN) bury(one);
      return;
    }
    one->out_at += sent;
    one->out_size -= sent;
    if (one->out_size) return;
    if (one->closing) {
      finish(one);
      return;
    }
  }
  if (one->state == GREEDY)
    pour(one);
  else
    want_out(one, false);
}

/* ── requests ───────────────────────────────────────────────────────────── */

/* The value behind "name": in a JSON text, or NULL. Good enough for bodies of our own. */
static const char* field(const char* body, const char* name) {
  const char* at = strstr(body, name);
  if (!at) return NULL;
  at += strlen(name);
  while (*at == ' ' || *at == ':') at++;
  return at;
}

static void answer_get(Connection* one, const char* path) {
  char body[1024], out[2048];
  if (!strncmp(path, "/closed", 7))
    snprintf(body, sizeof body, "{\"closes\":%ld,\"last_close_ns\":%lld}", closes,
             (long long)last_close_ns);
  else if (!strncmp(path, "/v1/models", 10))
    snprintf(body, sizeof body,
             "{\"object\":\"list\",\"data\":[{\"id\":\"%s\",\"object\":\"model\","
             "\"created\":1767225600,\"owned_by\":\"mock\"}]}",
             model);
  else
    snprintf(body, sizeof body,
             "{\"status\":\"ok\",\"model_path\":\"%s\",\"served_model_name\":\"%s\","
             "\"is_generation\":true,\"version\":\"mock\"}",
             model, model);
  int size = snprintf(out, sizeof out,
                      "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                      "Content-Length: %zu\r\n\r\n%s",
                      strlen(body), body);
  put_end(one, out, size);
}

static void answer_post(Connection* one, const char* body) {
  const char* stream = field(body, "\"stream\"");
  const char *count = field(body, "\"max_tokens\""), *pause = field(body, "\"seed\"");
  one->interval_ns = (pause ? strtol(pause, NULL, 10) : 0) * 1000LL;
  one->left = count ? strtol(count, NULL, 10) : 16;
  if (!stream || strncmp(stream, "true", 4)) {
    if (one->interval_ns) {
      one->state = THINKING;
      set_timer(one, now_ns() + one->interval_ns);
    } else {
      put_end(one, unary, unary_size);
    }
    return;
  }
  one->state = one->interval_ns ? PACED : GREEDY;
  char begin[sizeof first + EVENT_MAX];
  memcpy(begin, first, first_size);
  memcpy(begin + first_size, event, event_size);
  one->left -= one->left > 0;
  if (!put(one, begin, first_size + event_size)) return;
  if (one->interval_ns)
    set_timer(one, now_ns() + one->interval_ns);
  else
    want_out(one, true);
}

/* Answer one whole request of `in`, if there is one; the rest stays. */
static void serve(Connection* one) {
  one->in[one->in_size] = 0;
  char* end = strstr(one->in, "\r\n\r\n");
  if (!end) return;
  *end = 0; /* a header is looked for in the head alone */
  char* length_at = strcasestr(one->in, "\r\ncontent-length:");
  long length = length_at ? strtol(length_at + 17, NULL, 10) : 0;
  if (strcasestr(one->in, "\r\ntransfer-encoding:")) die("a request with chunks is not understood");
  one->keep = !strcasestr(one->in, "\r\nconnection: close") && !strstr(one->in, " HTTP/1.0");
  *end = '\r';
  char* body = end + 4;
  long whole = body - one->in + length;
  if (one->in_size < whole) return;
  char rest = one->in[whole];
  one->in[whole] = 0;
  one->closing = false;
  one->state = THINKING; /* not idle: a reader that leaves now gave up an answer */
  bool post = !strncmp(one->in, "POST", 4);
  char path[256] = "";
  static char kept[INPUT_MAX]; /* the body outlives its place: the next request moves there */
  if (!post) sscanf(one->in, "%*s %255s", path);
  if (length >= (long)sizeof kept) die("a body of %ld bytes is too long", length);
  memcpy(kept, body, length + 1);
  one->in[whole] = rest;
  one->in_size -= whole;
  memmove(one->in, one->in + whole, one->in_size);
  if (post)
    answer_post(one, kept);
  else
    answer_get(one, path);
}

static void on_readable(Connection* one) {
  if (one->in_size + 1 >= one->in_room) {
    one->in_room = one->in_room ? one->in_room * 2 : 4096;
    if (one->in_room > INPUT_MAX) die("a request is longer than %d bytes", INPUT_MAX);
    one->in = realloc(one->in, one->in_room);
  }
  ssize_t got = recv(one->fd, one->in + one->in_size, one->in_room - one->in_size - 1, 0);
  if (got < 0 && errno == EAGAIN) return;
  if (got <= 0) {
    bury(one);
    return;
  }
  one->in_size += got;
  if (one->state == IDLE) serve(one);
}

/* ── the loop ───────────────────────────────────────────────────────────── */

static void watch(int fd, int state) {
  Connection* one = calloc(1, sizeof *one);
  one->fd = fd;
  one->state = state;
  one->heap_at = -1;
  struct epoll_event ask = {.events = EPOLLIN | EPOLLRDHUP, .data.ptr = one};
  epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &ask);
}

static void listen_on(int port) {
  int fd = socket(AF_INET, SOCK_STREAM, IPPROTO_TCP), one = 1;
  struct sockaddr_in address = loopback(port);
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (bind(fd, (struct sockaddr*)&address, sizeof address) < 0 || listen(fd, 4096) < 0)
    die("cannot listen on port %d: %s", port, strerror(errno));
  fcntl(fd, F_SETFL, O_NONBLOCK);
  watch(fd, LISTENER);
}

static void take_new(int listener) {
  for (int fd; (fd = accept(listener, NULL, NULL)) >= 0;) {
    tune(fd);
    watch(fd, IDLE);
  }
}

int main(int count, char** given) {
  if (count < 5) die("usage: mock CPU BURST MODEL PORT [PORT ...]");
  pin(atoi(given[1]));
  burst = atoi(given[2]);
  snprintf(model, sizeof model, "%s", given[3]);
  if (burst < 1 || burst > BURST_MAX) die("BURST is 1 to %d", BURST_MAX);
  prebuild();
  epoll_fd = epoll_create1(0);
  for (int n = 4; n < count; n++) listen_on(atoi(given[n]));
  static struct epoll_event ready[EVENTS_A_TURN];
  for (;;) {
    int found = wait_ready(epoll_fd, ready, timers_count ? timers[0]->due_ns : -1);
    for (int n = 0; n < found; n++) {
      Connection* one = ready[n].data.ptr;
      uint32_t what = ready[n].events;
      if (one->state == LISTENER)
        take_new(one->fd);
      else if (what & (EPOLLERR | EPOLLHUP | EPOLLRDHUP))
        bury(one);
      else if (what & EPOLLOUT)
        on_writable(one);
      else if (what & EPOLLIN)
        on_readable(one);
    }
    int64_t now = now_ns();
    for (int n = 0; n < EVENTS_A_TURN && timers_count && timers[0]->due_ns <= now; n++) {
      Connection* one = timers[0];
      if (one->state == THINKING) drop_timer(one);
      step(one);
    }
  }
}
