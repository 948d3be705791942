/* What mock.c says: built once at the start, in llama.cpp's words. */
#ifndef RBEE_BENCH_ANSWERS_H
#define RBEE_BENCH_ANSWERS_H

#define BURST_MAX 64
#define EVENT_MAX 512 /* bytes of one event, its chunk's frame included */
#define OUTPUT_MAX (BURST_MAX * EVENT_MAX)

static int burst; /* events a write of a stream without pauses */
static char event[EVENT_MAX], first[EVENT_MAX * 4], last[EVENT_MAX * 4];
static char events[OUTPUT_MAX], unary[EVENT_MAX * 4];
static int event_size, first_size, last_size, unary_size;
static char model[128];

static int chunk(char* to, const char* data) {
  return sprintf(to, "%zx\r\ndata: %s\n\n\r\n", strlen(data) + 8, data);
}

/* One event: the choice or usage that `what` is, among what every event says. */
static int event_chunk(char* to, const char* what) {
  char text[EVENT_MAX];
  int size = snprintf(text, sizeof text - 32,
                      "{%s,\"created\":1767225600,\"id\":\"chatcmpl-mZJ4vT0aQk2sXw9LrB7nHc5d\","
                      "\"model\":\"%s\",\"system_fingerprint\":\"b6000-0a1b2c3d\","
                      "\"object\":\"chat.completion.chunk\"}",
                      what, model);
  if (size >= (int)sizeof text - 32) die("the model's name is too long");
  return chunk(to, text);
}

static void prebuild(void) {
  event_size = event_chunk(
      event,
      "\"choices\":[{\"finish_reason\":null,\"index\":0,\"delta\":{\"content\":\" bees\"}}]");
  for (int n = 0; n < burst; n++) memcpy(events + n * event_size, event, event_size);
  first_size = sprintf(first,
                       "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                       "Cache-Control: no-cache\r\nTransfer-Encoding: chunked\r\n\r\n");
  first_size += event_chunk(first + first_size,
                            "\"choices\":[{\"finish_reason\":null,\"index\":0,"
                            "\"delta\":{\"role\":\"assistant\",\"content\":null}}]");
  last_size =
      event_chunk(last, "\"choices\":[{\"finish_reason\":\"stop\",\"index\":0,\"delta\":{}}]");
  last_size += event_chunk(last + last_size,
                           "\"choices\":[],\"usage\":{\"completion_tokens\":16,"
                           "\"prompt_tokens\":200,\"total_tokens\":216}");
  last_size += chunk(last + last_size, "[DONE]");
  last_size += sprintf(last + last_size, "0\r\n\r\n");

  char answer[EVENT_MAX * 3];
  int size = snprintf(
      answer, sizeof answer,
      "{\"choices\":[{\"finish_reason\":\"stop\",\"index\":0,\"message\":{\"role\":\"assistant\","
      "\"content\":\"A colony is one family: a queen, her workers, and in summer some drones.\"}}],"
      "\"created\":1767225600,\"model\":\"%s\",\"system_fingerprint\":\"b6000-0a1b2c3d\","
      "\"object\":\"chat.completion\",\"usage\":{\"completion_tokens\":16,\"prompt_tokens\":200,"
      "\"total_tokens\":216},\"id\":\"chatcmpl-mZJ4vT0aQk2sXw9LrB7nHc5dYe1fUgPi\"}",
      model);
  unary_size = sprintf(unary,
                       "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                       "Content-Length: %d\r\n\r\n%s",
                       size, answer);
}

#endif
