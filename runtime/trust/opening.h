// From the options of the public interface to what the container and the policy need.
#pragma once

#include "runtime/tenon.h"
#include "runtime/trust/access.h"

namespace tenon::trust {

// What the options came to. The keys live as long as this does.
struct Opening {
  seal::KeyRing keys;
  std::vector<seal::Block<32>> signers;
  Host host;
  int most_log_n = seal::kMostLogN;
  int threads = 0;

  seal::OpenOptions open() const { return {.keys = &keys, .signers = signers, .most_log_n = most_log_n, .threads = threads}; }
};

// What the host asks of every model, without the keys. Throws what the files throw.
Host host_of(const SealedOptions& options);
// Reads the keys. Throws what their sources throw.
Opening opening_of(const SealedOptions& options, Host host);
inline Opening opening_of(const SealedOptions& options) { return opening_of(options, host_of(options)); }

seal::Operation operation_of(Right right);

}  // namespace tenon::trust
