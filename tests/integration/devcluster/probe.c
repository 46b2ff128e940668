/* `probe serve PORT...` answers every connection with one line; `probe call ADDRESS PORT` prints that line or fails within a second. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static int serve(int port) {
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(port)};
    int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&any, sizeof any) || listen(fd, 16)) return perror("listen"), 1;
    for (;;) {
        int peer = accept(fd, 0, 0);
        if (peer >= 0 && write(peer, "hello\n", 6) == 6) close(peer);
    }
}

static int call(const char *address, int port) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct timeval second = {.tv_sec = 1};
    char answer[64];
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    inet_pton(AF_INET, address, &to.sin_addr);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &second, sizeof second);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &second, sizeof second);
    if (connect(fd, (struct sockaddr *)&to, sizeof to)) return perror("connect"), 1;
    ssize_t length = read(fd, answer, sizeof answer);
    return length > 0 ? (fwrite(answer, 1, length, stdout), 0) : (perror("read"), 1);
}

int main(int count, char **words) {
    if (count == 4 && !strcmp(words[1], "call")) return call(words[2], atoi(words[3]));
    if (count < 3 || strcmp(words[1], "serve")) return 2;
    for (int i = 3; i < count; i++) if (!fork()) return serve(atoi(words[i]));
    return serve(atoi(words[2]));
}
