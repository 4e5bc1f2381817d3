// SPDX-License-Identifier: Apache-2.0
// LD_PRELOAD library that makes one allocation of a program fail, selected by position. The test maps the file named by
// FAIL_ALLOC_FILE and exchanges the fields of struct Control through it; a backtrace of the failed allocation is appended to
// the same file. C++'s operator new is covered through malloc; free() is not replaced.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

// tests/e2e/alloc_faults.py reads the same layout.
struct Control {
  _Atomic uint64_t count;    // allocations since the test set it to 0
  _Atomic uint64_t fail_at;  // position of the failing allocation; 0 disables
  _Atomic uint64_t failed;   // number of failed allocations
  _Atomic uint64_t in_main;  // 1 after main begins; earlier allocations are not counted
};

static struct Control* control;
static int trace_fd = -1;

// glibc's own names of the replaced functions, because dlsym() allocates.
extern void* __libc_malloc(size_t size);
extern void* __libc_calloc(size_t count, size_t size);
extern void* __libc_realloc(void* old, size_t size);
extern void* __libc_memalign(size_t alignment, size_t size);

static int fails(void) {
  if (control == NULL || !atomic_load_explicit(&control->in_main, memory_order_relaxed)) return 0;
  const uint64_t mine = atomic_fetch_add(&control->count, 1) + 1;
  if (mine != atomic_load(&control->fail_at)) return 0;
  atomic_fetch_add(&control->failed, 1);
  void* frames[40];
  backtrace_symbols_fd(frames, backtrace(frames, 40), trace_fd);
  errno = ENOMEM;
  return 1;
}

void* malloc(size_t size) { return fails() ? NULL : __libc_malloc(size); }
void* calloc(size_t count, size_t size) { return fails() ? NULL : __libc_calloc(count, size); }
void* realloc(void* old, size_t size) { return fails() ? NULL : __libc_realloc(old, size); }
void* memalign(size_t alignment, size_t size) { return fails() ? NULL : __libc_memalign(alignment, size); }
void* aligned_alloc(size_t alignment, size_t size) { return fails() ? NULL : __libc_memalign(alignment, size); }

int posix_memalign(void** result, size_t alignment, size_t size) {
  if (fails()) return ENOMEM;
  void* const memory = __libc_memalign(alignment, size);
  if (memory == NULL) return ENOMEM;
  *result = memory;
  return 0;
}

// The program's static constructors run before main() is called, and this library's run before those. Wrapping main() in
// glibc's call of it separates the two phases.
static int (*real_main)(int, char**, char**);

static int main_begins(int argc, char** argv, char** environment) {
  if (control != NULL) atomic_store(&control->in_main, 1);
  return real_main(argc, argv, environment);
}

typedef int (*StartMain)(int (*)(int, char**, char**), int, char**, void (*)(void), void (*)(void), void (*)(void), void*);

int __libc_start_main(int (*main)(int, char**, char**), int argc, char** argv, void (*init)(void), void (*fini)(void),
                      void (*rtld_fini)(void), void* stack_end) {
  const char* path = getenv("FAIL_ALLOC_FILE");
  trace_fd = path != NULL ? open(path, O_RDWR | O_APPEND | O_CLOEXEC) : -1;
  if (trace_fd >= 0) {
    void* const page = mmap(NULL, sizeof(struct Control), PROT_READ | PROT_WRITE, MAP_SHARED, trace_fd, 0);
    if (page != MAP_FAILED) control = page;
  }
  void* frames[1];
  backtrace(frames, 1);  // the first backtrace() allocates
  real_main = main;
  StartMain next = NULL;
  void* const symbol = dlsym(RTLD_NEXT, "__libc_start_main");
  memcpy(&next, &symbol, sizeof next);
  return next(main_begins, argc, argv, init, fini, rtld_fini, stack_end);
}
