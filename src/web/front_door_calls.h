/* SPDX-License-Identifier: Apache-2.0
 * The compiler's -include puts this before CivetWeb's source and redirects its poll() and accept() calls to web/front_door.hpp.
 * -Dpoll= would not work: with _FORTIFY_SOURCE the C library defines an inline poll(), which would be renamed too and call the
 * library's own. */
#pragma once

/* CivetWeb defines these at its top, which is too late here. */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include <poll.h>
#include <sys/socket.h>

int nswarden_poll(struct pollfd* fds, nfds_t count, int timeout);
int nswarden_accept(int listener, struct sockaddr* peer, socklen_t* size);
#define poll nswarden_poll
#define accept nswarden_accept
