/* SPDX-License-Identifier: Apache-2.0
 * Put before CivetWeb's source by the compiler's -include: its calls of poll() and accept() become those of web/front_door.hpp. Not by -Dpoll=:
 * with _FORTIFY_SOURCE the C library has an inline function of that name, which would be renamed too, and go on to the library's own. */
#pragma once

/* As CivetWeb does at its top, which comes too late by now. */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include <poll.h>
#include <sys/socket.h>

int nswarden_poll(struct pollfd* fds, nfds_t count, int timeout);
int nswarden_accept(int listener, struct sockaddr* peer, socklen_t* size);
#define poll nswarden_poll
#define accept nswarden_accept
