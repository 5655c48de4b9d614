// C++: exceptions through frames and destructors, virtual calls, containers, strings, streams, threads of their own locale.
#include <algorithm>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <numeric>
#include <sstream>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <vector>

struct Guard {
  int &count;
  ~Guard() { ++count; }
};

static int depth(int n, int &unwound) {
  Guard guard{unwound};
  if (n == 0) throw std::runtime_error("bottom");
  return depth(n - 1, unwound) + 1;
}

struct Shape {
  virtual ~Shape() = default;
  virtual double area() const = 0;
};
struct Square : Shape {
  double side;
  explicit Square(double s) : side(s) {}
  double area() const override { return side * side; }
};
struct Circle : Shape {
  double radius;
  explicit Circle(double r) : radius(r) {}
  double area() const override { return 3 * radius * radius; }
};

int main() {
  int unwound = 0, caught = 0;
  for (int i = 0; i < 500; ++i) {
    try {
      depth(i % 20, unwound);
    } catch (const std::exception &error) {
      caught += error.what()[0] == 'b';
    }
  }
  std::cout << caught << ' ' << unwound << '\n';
  try {
    try {
      std::vector<int>().at(3);
    } catch (const std::out_of_range &) {
      std::throw_with_nested(std::logic_error("outer"));
    }
  } catch (const std::exception &error) {
    std::cout << error.what() << '\n';
  }
  std::vector<std::unique_ptr<Shape>> shapes;
  for (int i = 0; i < 100; ++i) {
    if (i % 2) shapes.push_back(std::make_unique<Square>(i));
    else shapes.push_back(std::make_unique<Circle>(i));
  }
  std::cout << std::accumulate(shapes.begin(), shapes.end(), 0.0, [](double sum, const auto &shape) { return sum + shape->area(); }) << '\n';
  std::map<std::string, int> ordered;
  std::unordered_map<std::string, int> hashed;
  for (int i = 0; i < 5000; ++i) {
    std::string key = "key" + std::to_string(i * 7919 % 1000);
    ++ordered[key];
    ++hashed[key];
  }
  std::ostringstream out;
  for (const auto &[key, count] : ordered) out << key << count << hashed[key];
  std::cout << out.str().size() << ' ' << std::hash<std::string>{}(out.str()) << '\n';
  std::vector<double> values(1000);
  std::generate(values.begin(), values.end(), [n = 0.0]() mutable { return n = n * 1.7 + 0.3 - static_cast<int>(n); });
  std::sort(values.begin(), values.end());
  std::cout.precision(12);
  std::cout << values[10] << ' ' << values[500] << '\n';
  std::string line;
  std::istringstream in("4 5.5 text");
  int number;
  double real;
  in >> number >> real >> line;
  std::cout << number + real << line << std::endl;
  try {
    throw 17;
  } catch (int value) {
    return value;
  }
}
