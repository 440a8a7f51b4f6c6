#include <tenon.h>

#include <algorithm>
#include <cstdio>
#include <vector>

int main(int, char** arguments) {
  try {
    const tenon::Model model = tenon::Model::load(arguments[1]);
    tenon::Session session(model);
    std::vector<float> image(64);  // 8 x 8, a vertical stroke
    for (int row = 0; row < 8; ++row) image[row * 8 + 3] = image[row * 8 + 4] = 1;
    const tenon::Tensor probability = session.run({{"image", {tenon::DType::f32, {1, 1, 8, 8}, image.data()}}})[0];
    const float* p = static_cast<const float*>(probability.data);
    std::printf("digit %d\n", static_cast<int>(std::max_element(p, p + 10) - p));
  } catch (const tenon::Error& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return tenon::exit_status(e.code());
  }
}
