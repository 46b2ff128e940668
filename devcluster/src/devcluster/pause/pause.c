/* Holds a Pod's namespaces open: sleeps, reaps, ends when told to. */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
static void leave(int signum) { (void)signum; _exit(0); }
static void reap(int signum) { (void)signum; while (waitpid(-1, 0, WNOHANG) > 0) { } }
int main(void) {
    signal(SIGTERM, leave); signal(SIGINT, leave); signal(SIGCHLD, reap);
    for (;;) pause();
}
